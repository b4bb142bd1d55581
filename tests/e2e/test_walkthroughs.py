"""The commands of the documents work as printed, in a shell as their reader's: word for word, but for placeholders."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from local import PROJECT
from local.rest import call
from tests.e2e.stack import Stack, Stacks, poll
from tests.e2e.test_order_confirmation import MACHINE

pytestmark = pytest.mark.local("the documents deploy stacks under names of their own")


def shell_blocks(document: str, heading: str) -> list[str]:
    """The shell blocks of a section, without the one that points the shell at the embedded AWS."""
    sections = re.split(r"^## ", (PROJECT / document).read_text(), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(heading)]
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return [block for block in blocks if 'eval "$(make -s env)"' not in block]


class Shell:
    """A shell that is pointed at a stack, and keeps what one block sets for the next."""

    def __init__(self, stack: Stack, scratch: Path) -> None:
        self._state = scratch / "shell-state"
        self._state.touch(mode=0o600)
        tools = Path(sys.executable).parent
        self._environment = {
            **stack.environment,
            "PATH": f"{tools}:{stack.environment['PATH']}",
            "HOME": str(scratch),
            "SAM_CLI_TELEMETRY": "0",
        }

    def run(self, script: str) -> str:
        """What the script prints. Fails when one of its commands does."""
        state = shlex.quote(str(self._state))
        keep = f"{{ export -p; declare -f; }} > {state}"
        shell = ["bash", "-euo", "pipefail", "-c", f". {state}; set -a\n{script}\n{keep}"]
        run = subprocess.run(
            shell, cwd=PROJECT, env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def value(self, name: str) -> str:
        return self.run(f'printf %s "${name}"')


def test_payment_callback(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["payment-callback"]
    shell = Shell(stack, tmp_path)
    start, describe, receive = shell_blocks("README.md", "Go on by hand")
    execution_id = json.loads(shell.run(start))["executionArn"]
    end = stack.ended(execution_id)
    assert json.loads(shell.run(describe.replace("EXECUTION_ARN", execution_id)))["status"] == end["status"]
    assert json.loads(json.loads(shell.run(receive))["Messages"][0]["Body"])["Type"] == "Notification"
    # And before the stack is deleted
    with stack.consumer_off("PaymentWorkerFunctionName"):
        [abbreviate] = shell_blocks("docs/operations.md", "# Operations")
        shell.run(abbreviate)
        for document, heading in (("README.md", "Deploy to AWS"), ("docs/operations.md", "Taking the stack away")):
            execution_id = json.loads(shell.run(start))["executionArn"]
            [stop] = [block for block in shell_blocks(document, heading) if "stop-execution" in block]
            shell.run(stop.partition("sam delete")[0])
            assert stack.ended(execution_id)["status"] == "ABORTED"


def test_manual_callback(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["manual-callback"]
    *blocks, version_2, version_1, stop = shell_blocks("docs/manual-callback.md", "Walk-through")
    deploy, abbreviate, start, receive, call_back, describe = blocks
    shell = Shell(stack, tmp_path)
    shell.run(deploy)
    shell.run(abbreviate)
    assert shell.run(start) == "RUNNING\n"
    shell.run(receive)
    answer, _ = json.JSONDecoder().raw_decode(shell.run(call_back))
    assert answer == {"action": "success", "outcome": "DELIVERED"}
    status, output = shell.run(describe).rstrip("\n").split("\t")
    assert (status, json.loads(output)) == ("SUCCEEDED", {"approved": True})
    assert stack.depth("ManualCallbackQueueUrl") == 0
    # And the inline form: version 2's is version 1's with one option more
    response = tmp_path / "response.json"
    inline = version_1.replace("TOKEN", shell.value("TOKEN")).replace("response.json", str(response))
    shell.run(inline)
    assert json.loads(response.read_text()) == {"action": "success", "outcome": "ALREADY_SETTLED"}
    assert " ".join(version_2.replace("--cli-binary-format raw-in-base64-out", "").split()) == " ".join(
        version_1.split()
    )
    # And before the stack is deleted
    shell.run(start)
    shell.run(stop)
    assert stack.ended(shell.value("EXECUTION"))["status"] == "ABORTED"
    stack.receive("ManualCallbackQueueUrl")


def test_async_api(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["async-api"]
    deploy, abbreviate, start, describe, start_others, describe_others, *blocks = shell_blocks(
        "docs/async-api.md", "Walk-through"
    )
    read_log, list_simulations, stop = blocks
    shell = Shell(stack, tmp_path)
    shell.run(deploy)
    shell.run(abbreviate)
    shell.run(start)
    stack.ended(shell.value("EXECUTION"))
    status, output = shell.run(describe).rstrip("\n").split("\t")
    assert (status, json.loads(output)["status"]) == ("SUCCEEDED", 200)
    shell.run(start_others)
    for name in ("INVALID", "FAILING"):
        stack.ended(shell.value(name))
    errors = [line.split("\t")[:2] for line in shell.run(describe_others).splitlines()]
    assert errors == [["FAILED", "AsyncApi.InvalidRequest"], ["FAILED", "AsyncApi.RequestFailed"]]
    executions = [shell.value(name) for name in ("EXECUTION", "INVALID", "FAILING")]
    poll("log of all three", lambda: all(map("".join(stack.log()).__contains__, executions)) or None)
    assert all(map(shell.run(read_log).__contains__, executions))
    assert "SUCCEEDED" in shell.run(list_simulations)
    # And before the stack is deleted
    machine, simulator = "AsyncApiStateMachineArn", "AsyncApiSimulatorStateMachineArn"
    execution_id = stack.start({"waitTime": 600, "status": "success"}, machine)
    poll("simulation", lambda: "RUNNING" in stack.executions(simulator).values() or None)
    shell.run(stop)
    assert stack.ended(execution_id)["status"] == "ABORTED"
    assert "RUNNING" not in stack.executions(simulator).values()


def test_file_exchange(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["file-exchange"]
    deploy, abbreviate, start, read, beat_and_break_off, see_why, answer, see, stop, empty = shell_blocks(
        "docs/file-exchange.md", "Walk-through"
    )
    shell = Shell(stack, tmp_path)
    shell.run(deploy)
    shell.run(abbreviate)
    shell.run(start)
    uuid = str(uuid5(NAMESPACE_URL, shell.value("EXECUTION")))
    await_file(stack, f"outbound/{uuid}/request.json")
    assert json.loads(shell.run(read))["uuid"] == uuid
    shell.run(beat_and_break_off)
    await_file(stack, f"rejected/inbound/{uuid}/success.json.reason.txt")
    reason, *_, status = shell.run(see_why).splitlines()
    assert (reason, status) == ("The file is not JSON that a workflow can take.", "RUNNING")
    shell.run(answer)
    end = stack.ended(shell.value("EXECUTION"))
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"status": "shipped"})
    described, *listed = shell.run(see).splitlines()
    status, output = described.split("\t")
    assert (status, json.loads(output)) == ("SUCCEEDED", {"status": "shipped"})
    assert any(f"processed/{uuid}/success.json" in line for line in listed)
    # And before the stack is deleted
    shell.run(start)
    shell.run(stop)
    assert stack.ended(shell.value("EXECUTION"))["status"] == "ABORTED"
    shell.run(empty)
    bucket = stack.outputs["ExchangeBucketName"]
    assert {"Versions", "DeleteMarkers"}.isdisjoint(stack.client("s3").list_object_versions(Bucket=bucket))


def await_file(stack: Stack, key: str) -> None:
    s3, bucket = stack.client("s3"), stack.outputs["ExchangeBucketName"]
    poll(key, lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"))


def test_order_confirmation(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["order-confirmation"]
    deploy, abbreviate, order, see, confirm, describe, find_links, stop = shell_blocks(
        "docs/order-confirmation.md", "Walk-through"
    )
    shell = Shell(stack, tmp_path)
    shell.run(deploy)
    shell.run(abbreviate)
    assert shell.run(order).count("\n202\n") == 2
    poll("wait", lambda: '"state": "WAITING"' in shell.run(see) or None, every=1)
    assert [line for line in shell.run(confirm).splitlines() if line.isdigit()] == ["200", "200", "409"]
    poll("end", lambda: shell.run(describe) == "SUCCEEDED\n" or None, every=1)
    # The order of before may be among those whose links come
    link = poll("link", lambda: next(reversed(shell.run(find_links).split()), None), every=1)
    assert call("GET", link).status == 200
    # And before the stack is deleted
    running = poll("wait", lambda: [arn for arn, end in stack.executions(MACHINE).items() if end == "RUNNING"] or None)
    shell.run(stop)
    assert {stack.ended(execution_id)["status"] for execution_id in running} == {"ABORTED"}
