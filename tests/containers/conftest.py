"""A container engine with the image of the runtime, or else a reason to skip; and SAM CLI in the shell of a reader."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.given import Stacks
from tools import PROJECT, ToolError
from tools.engine.engine import Engine
from tools.engine.layers import cache_layers
from tools.invoke import docker

IMAGE = "public.ecr.aws/lambda/python:3.14-x86_64"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The runtime's image is there, and SAM CLI leaves nothing outside pytest's folder."""
    try:
        docker("version")
    except ToolError as error:
        pytest.skip(f"containers need a Docker engine. {error}")
    try:
        docker("image", "inspect", IMAGE)
    except ToolError:
        try:
            docker("pull", IMAGE)
        except ToolError as error:
            pytest.skip(f"{IMAGE} is not here and cannot be pulled. {error}")
    directory = tmp_path_factory.getbasetemp().parent / "sam"  # shared: only one process makes an image that is missing
    directory.mkdir(exist_ok=True)
    (directory / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))  # it looks for no update
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(directory))
        patch.setenv("__SAM_CLI_APP_DIR", str(directory))
        yield


@dataclass(frozen=True)
class Invoked:
    """What a function answered, and what SAM CLI and the container logged."""

    answer: Any
    log: str


Invoke = Callable[..., Invoked]


@pytest.fixture(scope="session")
def invoke_alone(image: None, engine: Engine, stacks: Stacks) -> Invoke:
    """`sam local invoke` in a shell of `make env`. No container finds AWS: nobody answers for its names."""
    assert stacks["payment-callback"].outputs  # its layer is that of every template
    cache_layers(engine)

    def invoke(function: str, event: Path, template: Path) -> Invoked:
        options = ["--template-file", str(template), "--skip-pull-image", "--container-dns", "127.0.0.1"]
        run = subprocess.run(
            [sys.executable, "-P", "-m", "samcli", "local", "invoke", function, "--event", str(event), *options],
            cwd=PROJECT,
            env=engine.client_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return Invoked(json.loads(run.stdout), run.stderr)

    return invoke
