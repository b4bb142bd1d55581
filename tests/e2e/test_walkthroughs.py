"""The commands of the documents work as printed, word for word but for the README's placeholders."""

import json
from pathlib import Path

from tests.e2e.documents import Shell, shell_blocks
from tests.e2e.stack import Stacks, poll


def test_payment_callback(stacks: Stacks, tmp_path: Path) -> None:
    start, describe, receive = shell_blocks("README.md", "Go on by hand")
    stack = stacks["payment-callback"]
    shell = Shell(stack, tmp_path)
    execution_id = json.loads(shell.run(start))["executionArn"]
    end = stack.ended(execution_id)
    assert json.loads(shell.run(describe.replace("EXECUTION_ARN", execution_id)))["status"] == end["status"]
    assert json.loads(json.loads(shell.run(receive))["Messages"][0]["Body"])["Type"] == "Notification"


def test_manual_callback(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["manual-callback"]
    *blocks, version_2, version_1 = shell_blocks("docs/manual-callback.md", "Walk-through")
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


def test_async_api(stacks: Stacks, tmp_path: Path) -> None:
    stack = stacks["async-api"]
    deploy, abbreviate, start, describe, start_others, describe_others, read_log, list_simulations = shell_blocks(
        "docs/async-api.md", "Walk-through"
    )
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
    poll("log of all three", lambda: all(map(shell.run(read_log).__contains__, executions)) or None, every=1)
    assert "SUCCEEDED" in shell.run(list_simulations)
