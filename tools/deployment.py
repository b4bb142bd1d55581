"""Deploys a stack to the embedded AWS with the real SAM CLI."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tools import FLAGSHIP, PROJECT, ToolError, plain, version
from tools.engine.engine import Engine
from tools.engine.processes import interrupts_held


class DeploymentError(ToolError):
    """SAM CLI could not deploy the stack."""


def deploy(
    engine: Engine,
    *,
    config_env: str = "default",
    stack_name: str | None = None,
    parameters: Mapping[str, str] | None = None,
    directory: Path = PROJECT,
) -> dict[str, str]:
    """`sam deploy` of the template as it lies, never of an older `sam build`; the outputs of the stack, by key.

    samconfig.toml is not read: what `sam deploy --guided` saved there is meant for AWS. Raises DeploymentError.
    """
    if importlib.util.find_spec("samcli") is None:
        raise DeploymentError(f"SAM CLI is not installed for {sys.executable}: run `make setup`.")
    from botocore.exceptions import BotoCoreError, ClientError

    stack = stack_name or configured_stack_name(config_env)
    options = ["--stack-name", stack, "--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--s3-prefix", stack]
    options += ["--no-fail-on-empty-changeset", "--no-progressbar", "--tags", f"Version={version()}"]
    if parameters:
        options += ["--parameter-overrides", *(f"{name}={json.dumps(value)}" for name, value in parameters.items())]
    with tempfile.TemporaryDirectory(prefix="sam-") as temporary:
        config = Path(temporary, "samconfig.toml")
        config.write_text("version = 0.1\n")
        # SAM CLI's files go with this folder even when it is killed; this one says that it need not look for an update.
        Path(temporary, "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        result = _sam(
            ["deploy", "--config-file", str(config), "--template-file", template_file(config_env), *options],
            {**engine.client_environment(), "TMPDIR": temporary, "__SAM_CLI_APP_DIR": temporary},
            directory,
        )
    cloudformation = engine.client("cloudformation")
    if result.returncode:
        failures = [_own_words(result.stderr)]
        with suppress(BotoCoreError, ClientError):  # there may be no stack
            pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
            failed = [event for page in pages for event in page["StackEvents"] if "FAILED" in event["ResourceStatus"]]
            failures += [
                plain(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}") for event in failed[::-1]
            ]
        raise DeploymentError("\n".join([f"sam deploy of {stack} failed: {failures[0]}", *failures[1:]]))
    try:
        [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"The outputs of {stack} cannot be read: {plain(error)}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def configured_stack_name(config_env: str = "default") -> str:
    """The stack of a section of samconfig.toml, as the documents' commands name it, whatever was saved there since."""
    return FLAGSHIP if config_env == "default" else config_env


def template_file(config_env: str = "default") -> str:
    """The template of a section of samconfig.toml, from the project's folder."""
    return "template.yaml" if config_env == "default" else f"templates/{config_env}.yaml"


def _sam(arguments: list[str], environment: Mapping[str, str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Ctrl-C ends it by way of this process only."""
    with interrupts_held():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "samcli", *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    with process:
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _own_words(errors: str) -> str:
    """SAM CLI's own, without what surrounds them."""
    _, error, words = errors.rpartition("Error: ")
    return words.partition("\nTraceback:")[0].strip() if error else errors.strip()
