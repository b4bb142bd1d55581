"""Deploys a stack with the real SAM CLI, to the embedded AWS or to AWS: the environment says which."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tools import PROJECT, ToolError
from tools.engine.processes import interrupts_held

Completed = subprocess.CompletedProcess[str]

FAILED_EVENTS = "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]"


class DeploymentError(ToolError):
    """SAM CLI could not deploy the stack."""


def deploy(
    environment: Mapping[str, str],
    *,
    config_env: str = "default",
    stack_name: str | None = None,
    parameters: Mapping[str, str] | None = None,
    directory: Path = PROJECT,
) -> dict[str, str]:
    """`sam deploy` of the template as it lies, never of an older `sam build`; the outputs of the stack, by key.

    `environment` is the whole environment of SAM CLI. samconfig.toml is not read: what `sam deploy --guided` saved
    there is meant for AWS. Raises DeploymentError.
    """
    if importlib.util.find_spec("samcli") is None:
        raise DeploymentError(f"SAM CLI is not installed for {sys.executable}: run `make setup`.")
    stack = stack_name or configured_stack_name(config_env)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    where = ["--stack-name", stack, *(["--region", region] if region else [])]
    options = ["--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--s3-prefix", stack]
    options += ["--no-fail-on-empty-changeset", "--no-progressbar"]
    if parameters:
        options += ["--parameter-overrides", *(f"{name}={json.dumps(value)}" for name, value in parameters.items())]
    with tempfile.TemporaryDirectory(prefix="sam-") as temporary:
        config = Path(temporary, "samconfig.toml")
        config.write_text("version = 0.1\n")
        # SAM CLI's files go with this folder even when it is killed; this one says that it need not look for an update.
        Path(temporary, "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        result = _run(
            "samcli",
            ["deploy", "--config-file", str(config), "--template-file", template_file(config_env), *where, *options],
            {**environment, "TMPDIR": temporary, "__SAM_CLI_APP_DIR": temporary, "SAM_CLI_TELEMETRY": "0"},
            directory,
        )
    if result.returncode:
        failed_events = _aws(["describe-stack-events", *where, "--query", FAILED_EVENTS], environment, directory)
        raise DeploymentError(f"sam deploy of {stack} failed: {_reason(result.stderr, failed_events)}")
    described = _aws(["describe-stacks", *where, "--query", "Stacks[0].Outputs"], environment, directory)
    if described.returncode:
        raise DeploymentError(f"The outputs of {stack} cannot be read: {described.stderr.strip()}")
    return {output["OutputKey"]: output["OutputValue"] for output in json.loads(described.stdout) or []}


def configured_stack_name(config_env: str = "default") -> str:
    """The stack of a section of samconfig.toml, as the documents' commands name it, whatever was saved there since."""
    return "payment-callback" if config_env == "default" else config_env


def template_file(config_env: str = "default") -> str:
    """The template of a section of samconfig.toml, from the project's folder."""
    return "template.yaml" if config_env == "default" else f"templates/{config_env}.yaml"


def _run(module: str, arguments: list[str], environment: Mapping[str, str], directory: Path) -> Completed:
    """Run a command line tool that is a module of this Python; Ctrl-C ends it by way of this process only."""
    with interrupts_held():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
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


def _aws(arguments: list[str], environment: Mapping[str, str], directory: Path) -> Completed:
    return _run("awscli", ["cloudformation", *arguments, "--output", "json"], environment, directory)


def _reason(errors: str, failed_events: Completed) -> str:
    """SAM CLI's own words without what surrounds them, then why each resource failed that did."""
    _, error, words = errors.rpartition("Error: ")
    lines = [words.partition("\nTraceback:")[0].strip() if error else errors.strip()]
    if failed_events.returncode == 0:
        lines += [f"{resource}: {reason}" for resource, reason in reversed(json.loads(failed_events.stdout))]
    return "\n".join(lines)
