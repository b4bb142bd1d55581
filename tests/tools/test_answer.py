"""`make answer` finds the token itself, says what became of the answer, and lets nobody see the token."""

import io
import json
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import pytest

from tests.tools.aws_in_memory import ACCOUNT, AwsInMemory
from tests.tools.histories import OTHER_TOKEN, TOKEN, Fields, History
from tools import ToolError, answer

OUTPUT = ["--output", '{"approved": true}']


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> AwsInMemory:
    """An embedded AWS, of which nobody is asked."""
    aws = AwsInMemory(endpoint_url="http://127.0.0.1:4566")
    monkeypatch.setattr(answer, "find_aws", lambda _execution="": aws.aws())
    return aws


def waiting() -> History:
    history = History({"creditCardNumber": "4111111111111111"})
    history.wait("Ask")
    return history


@pytest.mark.parametrize("by", ["one", f"{ACCOUNT}:execution:Shop:one"])
@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (OUTPUT, ("send_task_success", {"output": '{"approved": true}'})),
        (["--output", "null"], ("send_task_success", {"output": "null"})),
        (["--error", "No"], ("send_task_failure", {"error": "No"})),
        (["--error", "No", "--cause", "Because"], ("send_task_failure", {"error": "No", "cause": "Because"})),
        (["--heartbeat"], ("send_task_heartbeat", {})),
    ],
)
def test_an_answer_is_sent_with_the_token_of_the_wait(
    by: str, options: list[str], sent: tuple[str, Fields], aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.machine("Other")
    aws.start("one", waiting())
    assert answer.main([by, *options]) == 0
    assert aws.answers == [(sent[0], {"taskToken": TOKEN, **sent[1]})]
    assert capsys.readouterr().out.startswith("DELIVERED: Ask of arn:")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("TaskTimedOut", "ALREADY_SETTLED"), ("TaskDoesNotExist", "ALREADY_SETTLED"), ("InvalidToken", "REFUSED")],
)
def test_what_became_of_it_is_said(
    code: str, outcome: str, aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.start("one", waiting())
    aws.refusals["send_task_success"] = code
    assert answer.main(["one", *OUTPUT]) == 1
    assert capsys.readouterr().out.startswith(f"{outcome}: ")


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "InvalidOutput"])
def test_an_answer_that_is_not_delivered_is_an_error_by_its_code_only(code: str, aws: AwsInMemory) -> None:
    aws.start("one", waiting())
    aws.refusals["send_task_success"] = code
    with pytest.raises(ToolError) as raised:
        answer.main(["one", *OUTPUT])
    assert str(raised.value) == f"The answer was not delivered: {code}."
    assert raised.value.__cause__ is None


def test_an_execution_that_has_ended_is_settled(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting(), status="TIMED_OUT")
    assert answer.main(["one", *OUTPUT]) == 1
    assert capsys.readouterr().out == "ALREADY_SETTLED: the execution has ended, TIMED_OUT.\n"


def test_a_wait_that_ends_while_it_is_chosen_is_settled(aws: AwsInMemory) -> None:
    history = waiting()
    aws.start("one", history)
    [wait] = answer.waits_of(aws.aws(), "one")
    history.add("TaskSucceeded", 5)
    assert answer.send(aws.aws(), wait, answer.Answer("null")) == "ALREADY_SETTLED"
    assert aws.answers == []


def two_branches() -> History:
    history = History()
    begin = history.branches("Both")
    history.wait("Left", begin, {"MessageBody": TOKEN.replace("Z", "L"), "token": "x"})
    history.wait("Right", begin)
    return history


def test_of_several_waits_one_has_to_be_named(aws: AwsInMemory) -> None:
    aws.start("one", two_branches())
    with pytest.raises(ToolError, match=r"Several tasks wait.*\n.*--state Left --event 5 .*\n.*--state Right"):
        answer.main(["one", *OUTPUT])
    assert aws.answers == []
    assert answer.main(["one", "--state", "Right", *OUTPUT]) == 0
    assert aws.answers[0][1]["taskToken"] == TOKEN


def test_the_items_of_a_map_are_named_by_their_event(aws: AwsInMemory) -> None:
    history = History()
    for number, start in enumerate(history.items("Each", 20, 0)):
        history.wait("Ask", start, {"MessageBody": {"taskToken": f"{TOKEN[:-2]}{number:02}"}})
    arn = aws.start("one", history)
    waits = answer.waits_of(aws.aws(), arn)
    with pytest.raises(ToolError, match="item 19"):
        answer.choose(waits, "Ask", None)
    for wait in waits:
        assert answer.main([arn, "--state", "Ask", "--event", str(wait.event), *OUTPUT]) == 0
    assert [sent["taskToken"][-2:] for _, sent in aws.answers] == [f"{number:02}" for number in range(20)]


def test_a_state_that_does_not_wait_is_an_error_that_lists_those_that_do(aws: AwsInMemory) -> None:
    aws.start("one", two_branches())
    with pytest.raises(ToolError, match=r"No such task waits.*\n.*--state Left"):
        answer.main(["one", "--state", "Middle", *OUTPUT])


def test_a_child_of_a_distributed_map_is_answered_by_its_arn_and_by_its_parent(aws: AwsInMemory) -> None:
    parent = History()
    parent.enter("Each", kind="Map")
    aws.start("one", parent)
    child = aws.start("child", waiting(), machine="Shop/Each")
    aws.map_runs[f"{ACCOUNT}:mapRun:Shop/Each:one"] = [child]
    assert answer.main([child, *OUTPUT]) == 0
    assert answer.main(["one", *OUTPUT]) == 0
    assert len(aws.answers) == 2


@pytest.mark.parametrize(
    ("execution", "why"), [("none", "no execution 'none' on your AWS"), ("busy", "no task of it waits")]
)
def test_what_cannot_be_answered_says_why(execution: str, why: str, aws: AwsInMemory) -> None:
    aws.start("busy", History())
    with pytest.raises(ToolError, match=why):
        answer.main([execution, *OUTPUT])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--output", "approved"], "not JSON"),
        (["--output", "NaN"], "not JSON"),
        (["--output", '{"approved": false, "approved": true}'], "a key twice"),
        (["--output", '"\\ud83d"'], "half an emoji"),
        (["--output", "[" * 100_000], "nested too deep"),
        (["--output", json.dumps("x" * 262_144)], "262,146 bytes"),
        (["--error", "x" * 257], "1 to 256"),
        (["--error", "States.Timeout"], "name of AWS"),
        (["--error", "SQS.SdkClientException"], "name of AWS"),
        (["--error", "No", "--cause", "x" * 32_769], "32,769 characters"),
    ],
)
def test_what_step_functions_would_refuse_is_not_sent(options: list[str], why: str, aws: AwsInMemory) -> None:
    aws.start("one", waiting())
    with pytest.raises(ToolError, match=why):
        answer.main(["one", *options])
    assert aws.calls.total() == 0


@pytest.mark.parametrize("options", [[], ["--cause", "x", "--heartbeat"], [*OUTPUT, "--heartbeat"]])
def test_exactly_one_answer_is_given(options: list[str], aws: AwsInMemory) -> None:
    with pytest.raises(SystemExit, match="2"):
        answer.main(["one", *options])


@pytest.mark.parametrize(("typed", "sent"), [("", 0), ("no\n", 0), ("y\n", 1), ("yes\n", 1)])
def test_on_aws_it_asks_first(
    typed: str, sent: int, aws: AwsInMemory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.endpoint_url = "https://states.eu-west-1.amazonaws.com"
    aws.start("one", waiting())
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert answer.main(["one", *OUTPUT]) == 1 - sent
    assert capsys.readouterr().out.startswith("Answer Ask of arn:")
    assert len(aws.answers) == sent


def test_a_script_says_yes(aws: AwsInMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.endpoint_url = "https://states.eu-west-1.amazonaws.com"
    aws.start("one", waiting())
    monkeypatch.setattr("sys.stdin", None)
    assert answer.main(["one", "--yes", *OUTPUT]) == 0


def test_nothing_that_is_said_holds_token_or_card(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting())
    aws.start("several", two_branches())
    odd = History({"parent": OTHER_TOKEN})
    odd.wait("Ask", sent={"taskToken": TOKEN, "secondToken": TOKEN.replace("Z", "W")})
    aws.start("odd", odd)
    said = []
    for execution in ("one", "several", "odd", "none"):
        try:
            answer.main([execution, *OUTPUT])
        except ToolError as error:
            said.append(str(error))
    said += capsys.readouterr()
    assert len(said) == 5
    assert not [text for text in said for secret in (TOKEN, OTHER_TOKEN, "4111") if secret[:20] in text]


def test_a_wait_is_known_by_when_it_began(aws: AwsInMemory) -> None:
    aws.start("one", waiting())
    [wait] = answer.waits_of(aws.aws(), "one")
    assert wait.since == datetime(2026, 11, 20, 10, 0, 3, tzinfo=UTC)
    assert "since 11-20 10:00:03 UTC" in answer.describe(wait)


# ------------------------------------------------------------------ histories that withhold what was sent

ORDER = {"pk": "TOKEN#one", "taskToken": TOKEN, "executionId": f"{ACCOUNT}:execution:Shop:one"}
EXCHANGE = {"taskToken": TOKEN, "executionId": f"{ACCOUNT}:execution:Shop:one", "answer": None}
TABLE = {"ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": "orders", "LogicalResourceId": "OrderTable"}
BUCKET = {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": "exchange", "LogicalResourceId": "Bucket"}


@pytest.mark.parametrize("kept", [ORDER, EXCHANGE], ids=["order confirmation", "file exchange"])
def test_a_token_that_the_history_withholds_is_read_where_our_workflows_keep_it(
    kept: Fields, aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = aws.start("one", waiting())
    aws.refusals["history_data"] = "KmsAccessDeniedException"
    aws.resources = [TABLE, BUCKET]
    aws.kept = {"TOKEN#one": ORDER} if kept is ORDER else {f"tokens/{uuid5(NAMESPACE_URL, arn)}.json": EXCHANGE}
    assert answer.main(["one", *OUTPUT]) == 0
    assert aws.answers == [("send_task_success", {"taskToken": TOKEN, "output": '{"approved": true}'})]
    assert TOKEN[:20] not in capsys.readouterr().out


@pytest.mark.parametrize("resources", [[], [TABLE], [TABLE, BUCKET]])
def test_a_token_that_is_kept_nowhere_or_of_another_execution_is_none(
    resources: list[Fields], aws: AwsInMemory
) -> None:
    aws.start("one", waiting())
    aws.refusals["history_data"] = "KmsAccessDeniedException"
    aws.resources = resources
    aws.kept = {"TOKEN#one": {**ORDER, "executionId": f"{ACCOUNT}:execution:Other:one"}}
    with pytest.raises(ToolError, match="kms:Decrypt"):
        answer.main(["one", *OUTPUT])
    assert aws.answers == []
