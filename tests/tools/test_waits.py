"""`make waits` lists who waits, of any state machine, and asks AWS for no more than it needs."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.session import get_session

from tests.documents.pages import Page
from tests.tools.aws_in_memory import ACCOUNT, AwsInMemory
from tests.tools.histories import BEGIN, QUEUE, TOKEN, Fields, History
from tools import PROJECT, ToolError, answer
from tools.waits import command
from tools.waits.find import Finder, machines

WORK = "arn:aws:states:eu-west-1:123456789012:stateMachine:Shop"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> AwsInMemory:
    aws = AwsInMemory()
    monkeypatch.setattr(command, "find_aws", lambda _execution="": aws.aws())
    return aws


def waiting(state: str = "Ask", since: datetime | None = None, **limits: int) -> History:
    """A history whose only wait began then."""
    history = History({"card": "4111111111111111"})
    history.wait(state, 0, None, "sqs:sendMessage", **limits)
    for event in history.events:
        event["timestamp"] = since or BEGIN
    return history


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[Fields]:
    command.main(["--json", *options])
    answer: list[Fields] = json.loads(capsys.readouterr().out)
    return answer


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    command.main([*options])
    return capsys.readouterr().out


def test_as_json_a_wait_is_what_the_documents_promise(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    since = now().replace(microsecond=0)
    arn = aws.start("one", waiting(since=since, timeoutInSeconds=600, heartbeatInSeconds=60))
    assert listed(capsys) == [
        {
            "executionArn": arn,
            "stateMachineArn": WORK,
            "state": "Ask",
            "resource": "sqs:sendMessage.waitForTaskToken",
            "target": QUEUE,
            "since": f"{since:%Y-%m-%dT%H:%M:%S}.000Z",
            "deadline": f"{since + timedelta(minutes=10):%Y-%m-%dT%H:%M:%S}.000Z",
            "heartbeatDeadline": f"{since + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}.000Z",
        }
    ]


def test_what_there_is_not_is_null(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting())
    [wait] = listed(capsys)
    assert (wait["deadline"], wait["heartbeatDeadline"]) == (None, None)


def test_the_time_of_the_state_machine_bounds_a_wait(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.machine("Shop", TimeoutSeconds=60)
    aws.start("one", waiting())
    aws.start("two", waiting(timeoutInSeconds=30))
    assert [each["deadline"] for each in listed(capsys)] == ["2026-11-20T10:01:00.000Z", "2026-11-20T10:00:30.000Z"]


def test_the_oldest_comes_first(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    for hours in (2, 3, 1):
        aws.start(f"{hours}", waiting(since=BEGIN - timedelta(hours=hours)), machine=f"M{hours}")
    assert [each["executionArn"][-1] for each in listed(capsys)] == ["3", "2", "1"]


def test_names_are_logical_ids_where_the_stack_is_known(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.resources = [
        {"PhysicalResourceId": QUEUE, "LogicalResourceId": "WorkQueue", "ResourceType": "AWS::SQS::Queue"},
        {
            "PhysicalResourceId": WORK,
            "LogicalResourceId": "Machine",
            "ResourceType": "AWS::StepFunctions::StateMachine",
        },
    ]
    aws.start("one", waiting())
    assert listed(capsys)[0]["target"] == "WorkQueue"
    line = next(line for line in shown(capsys).splitlines() if " one " in line)
    assert {"Machine", "WorkQueue"} <= set(line.split())


def test_the_table_says_never_where_there_is_no_limit(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting())
    aws.start("two", waiting("Second", since=now() - timedelta(seconds=30), timeoutInSeconds=7200))
    table = shown(capsys)
    assert "never" in next(line for line in table.splitlines() if " one " in line)
    assert "1 h 59 min" in next(line for line in table.splitlines() if " two " in line)
    assert "2 tasks wait for an answer, in 2 running executions." in table


@pytest.mark.parametrize(
    ("seconds", "next_one", "last"), [(10, "in 50 s", "none is due yet"), (500, "within 1 min", "less than 1 min ago")]
)
def test_heartbeats_are_shown_as_far_as_they_can_be(
    seconds: int, next_one: str, last: str, aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    aws.start("one", waiting(since=since, timeoutInSeconds=600, heartbeatInSeconds=60))
    table = shown(capsys)
    assert next_one in table
    assert last in table


def test_late_is_what_is_past_half_of_its_time_or_has_no_limit(
    aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.start("early", waiting(since=now() - timedelta(seconds=40), timeoutInSeconds=100))
    assert command.main(["--late"]) == 0
    assert "1 task waits for an answer, in 1 running executions, of which 0 are late." in capsys.readouterr().out
    aws.start("late", waiting(since=now() - timedelta(seconds=60), timeoutInSeconds=100))
    aws.start("endless", waiting(since=now()))
    capsys.readouterr()
    assert command.main(["--late", "--json"]) == 1
    assert [each["executionArn"].rpartition(":")[2] for each in json.loads(capsys.readouterr().out)] == [
        "late",
        "endless",
    ]


def test_several_waits_of_one_execution_are_several_rows(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    history = History()
    for start in history.items("Each", 3, 0):
        history.wait("Ask", start)
    aws.start("one", history)
    assert len(listed(capsys)) == 3
    assert "Ask[2]" in shown(capsys)


def test_the_children_of_a_distributed_map_are_listed_too(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    parent = History()
    parent.add("MapRunStarted", parent.enter("Each", kind="Map"), mapRunArn=f"{ACCOUNT}:mapRun:Shop/Each:one")
    aws.start("one", parent)
    children = [aws.start(f"child-{number}", waiting(), machine="Shop/Each") for number in range(3)]
    aws.map_runs[f"{ACCOUNT}:mapRun:Shop/Each:one"] = children
    waits = listed(capsys)
    assert [wait["executionArn"] for wait in waits] == children
    assert {wait["stateMachineArn"] for wait in waits} == {WORK}
    assert aws.calls["list_map_runs"] == 1


def test_what_does_not_wait_is_not_listed(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("ended", waiting(), status="SUCCEEDED")
    aws.start("busy", History())
    aws.machine("Express", type="EXPRESS")
    assert listed(capsys) == []
    assert aws.calls["get_execution_history"] == 1


def test_one_state_machine_or_one_stack(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting())
    aws.start("two", waiting(), machine="Other")
    resource = {
        "PhysicalResourceId": WORK,
        "LogicalResourceId": "M",
        "ResourceType": "AWS::StepFunctions::StateMachine",
    }
    aws.resources = [resource]
    assert [each["stateMachineArn"] for each in listed(capsys, "--state-machine", f"{ACCOUNT}:stateMachine:Other")] == [
        f"{ACCOUNT}:stateMachine:Other"
    ]
    assert [each["stateMachineArn"] for each in listed(capsys, "--stack", "shop")] == [WORK]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--stack", "none"], "stack 'none' cannot be read on your AWS: ValidationError"),
        (["--state-machine", f"{ACCOUNT}:stateMachine:None"], "StateMachineDoesNotExist"),
        (["--state-machine", f"{ACCOUNT}:stateMachine:Express"], "no callbacks"),
    ],
)
def test_what_is_not_there_is_an_error(options: list[str], why: str, aws: AwsInMemory) -> None:
    aws.machine("Express", type="EXPRESS")
    with pytest.raises(ToolError, match=why):
        command.main(options)


def test_what_may_not_be_read_is_counted_and_ends_with_2(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting())
    aws.refusals["get_execution_history"] = "AccessDeniedException"
    assert command.main([]) == 2
    assert "1 histories cannot be read: AccessDeniedException." in capsys.readouterr().out


def test_who_may_not_decrypt_still_sees_who_waits(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting(timeoutInSeconds=60))
    aws.refusals["history_data"] = "KmsAccessDeniedException"
    [wait] = listed(capsys)
    assert (wait["state"], wait["target"], wait["deadline"]) == ("Ask", None, "2026-11-20T10:01:00.000Z")


def test_who_may_not_see_stack_and_definition_still_sees_who_waits(
    aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.start("one", waiting())
    aws.refusals |= dict.fromkeys(["list_tags_for_resource", "describe_state_machine"], "AccessDeniedException")
    assert len(listed(capsys)) == 1


def test_an_execution_that_ends_meanwhile_is_left_out(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting())
    aws.refusals["get_execution_history"] = "ExecutionDoesNotExist"
    assert command.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_limit_leaves_the_newest_out_and_says_so(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        aws.start(f"run-{number}", waiting(), startDate=BEGIN + timedelta(seconds=number))
    table = shown(capsys, "--limit", "2")
    assert aws.calls["get_execution_history"] == 2
    assert "3 running executions were not looked at" in table
    assert [number for number in range(5) if f"run-{number}" in table] == [0, 1]


def test_a_thousand_executions_are_a_call_each(aws: AwsInMemory) -> None:
    for number in range(1000):
        aws.start(f"{number}", waiting())
    found = Finder(aws.aws()).find(machines(aws.aws()))
    assert len(found.waits) == 1000
    assert aws.calls["get_execution_history"] == 1000
    assert sum(aws.calls[each] for each in ("list_tags_for_resource", "describe_state_machine")) == 2


def long_history(definition: Fields, aws: AwsInMemory) -> int:
    """The pages that are read of a history of 5,000 events before the wait."""
    history = History()
    after = 0
    for _ in range(2500):
        after = history.leave("Tick", history.enter("Tick", after, "Pass"), "Pass")
    history.wait("Ask", after)
    aws.machine("Shop", **definition)
    aws.start("one", history)
    found = Finder(aws.aws()).find(machines(aws.aws()))
    assert [wait.state for wait in found.waits] == ["Ask"]
    return aws.calls["get_execution_history pages"]


def test_a_long_history_is_read_no_further_back_than_needed(aws: AwsInMemory) -> None:
    assert long_history({"States": {"Ask": {"Type": "Task"}}}, aws) == 1


def test_a_long_history_with_branches_is_read_whole(aws: AwsInMemory) -> None:
    assert long_history({"States": {"Both": {"Type": "Parallel"}}}, aws) == 6


def test_nothing_that_is_printed_or_kept_holds_token_or_input(
    aws: AwsInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.start("one", waiting())
    found = Finder(aws.aws()).find(machines(aws.aws()))
    printed = f"{shown(capsys)}{listed(capsys)}{found}"
    assert TOKEN[:20] not in printed
    assert "4111" not in printed


def test_names_from_outside_cannot_drive_the_terminal(aws: AwsInMemory, capsys: pytest.CaptureFixture[str]) -> None:
    aws.start("one", waiting("A\x1b[2Jsk\n[red]"))
    assert "A\\x1b[2Jsk\\n[red]" in shown(capsys)


def test_watching_shows_the_table_again(
    aws: AwsInMemory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.start("one", waiting())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        command.main(["--watch"])
    assert aws.calls["get_execution_history"] == 3
    assert "1 task waits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (90000, "1 d 1 h"),
        (86400 * 40, "40 d"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert command.span(timedelta(seconds=seconds)) == text


def test_only_a_number_above_0_is_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("0", "-1", "x"):
        with pytest.raises(SystemExit):
            command.main(["--limit", text])
    assert "is no number above 0" in capsys.readouterr().err


# ------------------------------------------------------------------ the policies of docs/operations.md

SERVICES = {"states": "stepfunctions"}  # IAM's name of a service, where the SDK has another


def policies() -> list[set[str]]:
    """The actions of the policy to see, and of that to answer."""
    page = Page("docs/operations.md", (PROJECT / "docs/operations.md").read_text(encoding="utf-8"))
    section = "Who may see, and who may answer"
    texts = [block.text for block in page.blocks if block.section == section and block.language == "json"]
    statements = [json.loads(text)["Statement"] for text in texts]
    return [{action for statement in each for action in statement["Action"]} for each in statements]


def test_the_policies_name_actions_that_there_are() -> None:
    for action in set[str]().union(*policies()):
        service, operation = action.split(":")
        model = get_session().get_service_model(SERVICES.get(service, service))
        assert operation in model.operation_names, action


def test_the_policies_allow_what_the_commands_call_and_no_more(
    aws: AwsInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "find_aws", lambda _execution="": aws.aws())
    aws.resources = [{"PhysicalResourceId": QUEUE, "LogicalResourceId": "Q", "ResourceType": "AWS::SQS::Queue"}]
    history = History()
    [start] = history.items("Each", 1, 0)
    history.wait("Ask", start)
    aws.start("one", history)
    see, send = policies()
    command.main([])
    command.main(["--state-machine", WORK])
    called = {operation for operation in aws.calls if " " not in operation}
    assert {_action(operation) for operation in called} <= see
    for options in (["--output", "1"], ["--error", "No"], ["--heartbeat"]):
        answer.main(["one", "--yes", *options])
    called = {_action(operation) for operation in aws.calls if " " not in operation}
    assert called <= see | send
    assert {action for action in see | send if action.startswith("states:")} <= called


def _action(operation: str) -> str:
    name = "".join(part.title() for part in operation.split("_"))
    return f"{'cloudformation' if 'Stack' in name else 'states'}:{name}"
