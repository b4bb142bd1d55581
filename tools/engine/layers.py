"""The layers of deployed functions, where `sam local invoke` looks before it asks AWS for them."""

import hashlib

from tools.engine.engine import ENGINE_PYTHON, Engine

# Powertools without its extras, as the engine's functions import it: nothing here is compiled for one Python
MODULES = ("aws_lambda_powertools", "jmespath", "typing_extensions.py")


def cache_layers(engine: Engine) -> None:
    """Make a folder in SAM CLI's layer cache for each layer that a function of the engine has."""
    [packages] = ENGINE_PYTHON.parents[1].glob("lib/python3*/site-packages")
    for page in engine.client("lambda").get_paginator("list_functions").paginate():
        for arn in {layer["Arn"] for function in page["Functions"] for layer in function.get("Layers", [])}:
            folder = engine.layer_cache / _folder_name(arn) / "python"
            folder.mkdir(parents=True, exist_ok=True)
            for module in MODULES:
                if not (folder / module).is_symlink():
                    (folder / module).symlink_to(packages / module)


def _folder_name(arn: str) -> str:
    """SAM CLI's own name of it."""
    *_, name, version = arn.split(":")
    return f"{name}-{version}-{hashlib.sha256(arn.encode()).hexdigest()[:10]}"
