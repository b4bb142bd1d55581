"""`sam local invoke` against the embedded AWS: a function's code in a container, instead of the deployed one."""

import json
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network, ip_interface, ip_network
from pathlib import Path
from typing import Any

from tools import PROJECT, ToolError, plain
from tools.deployment import configured_stack_name, template_file
from tools.engine.engine import HOST, Engine
from tools.engine.layers import cache_layers

ENDPOINT = "AWS_ENDPOINT_URL"  # where boto3 finds AWS
BLOCK_BYTES = 65_536


def invoke(engine: Engine, function: str, event: str, *, config_env: str = "default") -> int:
    """Invoke a function, by its logical ID, in a container with the environment of the one that is deployed.

    `event` is the path of a JSON file, or `-` for standard input. Answer and log go where SAM CLI writes them. Returns
    its exit code, or 1 where the function failed. Raises ToolError when the function is not deployed to the engine, or
    Docker does not answer.
    """
    variables = _deployed_variables(engine, function, config_env)
    cache_layers(engine)
    template = PROJECT / template_file(config_env)
    with tempfile.TemporaryDirectory(prefix="sam-") as temporary, reachable_from_containers(engine) as endpoint_url:
        copy, values = Path(temporary, "template.json"), Path(temporary, "values.json")
        copy.write_text(json.dumps(_with_endpoint(template)))
        values.write_text(json.dumps({"Parameters": {**variables, ENDPOINT: endpoint_url}}))
        where = ["--template-file", str(copy), "--docker-volume-basedir", str(template.parent)]
        how = ["--env-vars", str(values), "--skip-pull-image"]  # an image that is not there is pulled all the same
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "samcli", "local", "invoke", function, "--event", event, *where, *how],
            env=engine.client_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            answer, _ = process.communicate()
        finally:
            process.wait()  # Ctrl-C is sent to SAM CLI as well, which then removes its container
    print(answer, end="", flush=True)
    return process.returncode or int(_is_failure(answer))


def _is_failure(answer: str) -> bool:
    """Whether a function failed, which SAM CLI ends well: it raised, or gave no answer before its timeout."""
    try:
        value = json.loads(answer)
    except ValueError:
        return True
    return isinstance(value, dict) and {"errorMessage", "errorType"} <= value.keys()


@contextmanager
def reachable_from_containers(engine: Engine) -> Iterator[str]:
    """The URL at which a container reaches the engine, which listens on loopback only, as long as the block runs.

    On Linux a port on the address that Docker's bridge has on this machine leads there. Where Docker runs in a virtual
    machine, as on macOS, it has a name for the loopback of this one.
    """
    gateway = bridge_address(docker("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"))
    try:
        forwarder = _Forwarder(gateway, engine.port)
    except OSError:
        yield f"http://host.docker.internal:{engine.port}"
        return
    with forwarder:
        threading.Thread(target=forwarder.serve_forever, daemon=True).start()
        try:
            yield f"http://{gateway}:{forwarder.server_address[1]}"
        finally:
            forwarder.shutdown()


def bridge_address(configuration: str) -> str:
    """The IPv4 address of this machine on Docker's bridge, of the bridge's IPAM.Config as JSON.

    A new Docker may name no gateway, but takes the first address of the subnet. Raises ToolError where there is none.
    """
    for config in json.loads(configuration) or []:
        with suppress(ValueError):
            network = ip_network(config.get("Subnet", ""))
            gateway = ip_interface(str(config.get("Gateway") or next(network.hosts()))).ip
            if isinstance(network, IPv4Network) and gateway in network and not gateway.is_unspecified:
                return str(gateway)
    raise ToolError("Docker's bridge has no IPv4 address: `docker network inspect bridge` shows how it is set up.")


def docker(*arguments: str) -> str:
    """What the docker command prints. Raises ToolError where there is none, no engine answers it, or it fails."""
    command = shutil.which("docker")
    if command is None:
        raise ToolError("Docker is not installed: there is no docker command.")
    run = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise ToolError(f"Docker fails: {plain(run.stderr.strip())}")
    return run.stdout.strip()


class _Forwarder(socketserver.ThreadingTCPServer):
    """Listens on a free port of an address and passes each connection on to a port of loopback."""

    daemon_threads = True

    def __init__(self, address: str, target_port: int) -> None:
        self.target_port = target_port
        super().__init__((address, 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Forwarder

    def handle(self) -> None:
        with socket.create_connection((HOST, self.server.target_port)) as target:
            back = threading.Thread(target=_pass_on, args=(target, self.request), daemon=True)
            back.start()
            _pass_on(self.request, target)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # whichever side hangs up
        while block := source.recv(BLOCK_BYTES):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


def _deployed_variables(engine: Engine, function: str, config_env: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    stack = configured_stack_name(config_env)
    try:
        described = engine.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    except ClientError as error:
        raise ToolError(f"{plain(stack)} is not deployed to the embedded AWS.") from error
    names = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in described
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }
    if function not in names:
        raise ToolError(f"{stack} has no {plain(function)}, but {', '.join(sorted(names))}.")
    configuration = engine.client("lambda").get_function_configuration(FunctionName=names[function])
    variables: dict[str, str] = configuration["Environment"]["Variables"]
    return variables


def _with_endpoint(template: Path) -> dict[str, Any]:
    """A template whose functions declare ENDPOINT: SAM CLI gives a container no variable that is not declared."""
    from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

    parsed: dict[str, Any] = yaml_parse(template.read_text())
    function = parsed.setdefault("Globals", {}).setdefault("Function", {})
    function.setdefault("Environment", {}).setdefault("Variables", {})[ENDPOINT] = ""
    return parsed
