"""Deploys a stack with the real SAM CLI, to the embedded AWS or to AWS: the environment says which."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

from local import PROJECT, LocalError
from local.processes import interrupts_held

Completed = subprocess.CompletedProcess[str]

FAILED_EVENTS = "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]"


class DeploymentError(LocalError):
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

    `environment` is the whole environment of SAM CLI; what is not said here is taken from samconfig.toml. Raises
    DeploymentError.
    """
    if importlib.util.find_spec("samcli") is None:
        raise DeploymentError(f"SAM CLI is not installed for {sys.executable}: run `make setup`.")
    stack = stack_name or configured_stack_name(config_env, directory)
    template = _setting("template_file", config_env, directory) or "template.yaml"
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    where = ["--stack-name", stack, *(["--region", region] if region else [])]
    options = ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"]
    if parameters:
        options += ["--parameter-overrides", *(f"{name}={json.dumps(value)}" for name, value in parameters.items())]
    with tempfile.TemporaryDirectory(prefix="sam-") as temporary:
        # SAM CLI's files go with this folder even when it is killed; this one says that it need not look for an update.
        Path(temporary, "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        result = _run(
            "samcli",
            [
                "deploy",
                # SAM CLI would look for it beside the template
                *("--config-file", str(directory.resolve() / "samconfig.toml")),
                *("--config-env", config_env, "--template-file", template),
                *where,
                *options,
            ],
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


def configured_stack_name(config_env: str = "default", directory: Path = PROJECT) -> str:
    """Raises DeploymentError when samconfig.toml names none."""
    name = _setting("stack_name", config_env, directory)
    if not name:
        raise DeploymentError(f"samconfig.toml has no stack_name for {config_env!r}.")
    return name


def _setting(name: str, config_env: str, directory: Path) -> str | None:
    tables = tomllib.loads((directory / "samconfig.toml").read_text()).get(config_env, {})
    for command in ("deploy", "global"):
        value = tables.get(command, {}).get("parameters", {}).get(name)
        if value is not None:
            return str(value)
    return None


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
