"""`python -m tools` says in one line what is missing or wrong, and prints nothing that could drive the terminal."""

import errno
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools import ToolError, cli, plain
from tools.engine.engine import Engine

NASTY = "\x1b[2J\ntwo\u202e"


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "DIRECTORY", tmp_path / "aws")
    monkeypatch.setattr(cli, "_let_the_reader_leave", lambda: None)
    monkeypatch.setattr(cli, "INTERRUPTS", ())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--port="], "--port is empty"),
        (["up", "--port", " "], "--port is empty"),
        (["up", "--nope"], "unrecognized arguments: --nope"),
        (["cost", "--runs="], "--runs is empty"),
        (["cost", "--runs=some"], "invalid int value: 'some'"),
        (["waits", "--stack="], "--stack is empty"),
        (["waits", "--limit="], "--limit is empty"),
        (["answer", "--output=", "run-1"], "--output is empty"),
        (["answer", NASTY], "is required"),
        (["desk", "--port="], "--port is empty"),
        (["demo", "--port=x"], "'x' is no port"),
        (["demo", "--port=-1"], "'-1' is no port"),
        (["up", "--port=65536"], "'65536' is no port"),
        (["demo", ""], "There is no demo ''"),
        (["demo", NASTY], r"There is no demo '\x1b[2J\ntwo\u202e'"),
        (["show"], "Name an execution"),
        (["show", ""], "Name an execution"),
        (["show", " "], "Name an execution"),
        (["invoke"], "Name a function"),
        (["invoke", "", "-"], "Name a function"),
        (["invoke", "PaymentWorkerFunction"], "Name a file with an event"),
        (["invoke", "PaymentWorkerFunction", ""], "Name a file with an event"),
        (["invoke", "--config-env=", "PaymentWorkerFunction", "-"], "--config-env is empty"),
        (["invoke", "PaymentWorkerFunction", "-"], "The embedded AWS does not run"),
        (["env"], "The embedded AWS does not run"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended_with(arguments) in (1, 2)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


@pytest.mark.parametrize("arguments", [[NASTY], ["up", NASTY], ["up", f"--port={NASTY}"], ["down", f"--{NASTY}"]])
def test_what_was_typed_cannot_drive_the_terminal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended_with(arguments) in (1, 2)
    assert harmless(capsys.readouterr().err)


@pytest.mark.parametrize("error", [ToolError(NASTY), OSError(NASTY)])
def test_an_error_cannot_drive_the_terminal(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def attach(_directory: Path) -> None:
        raise error

    monkeypatch.setattr(Engine, "attach", attach)
    assert cli.main(["status"]) == 1
    assert harmless(capsys.readouterr().err)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_named(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise OSError(number, "Not today", str(tmp_path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert cli.main(["up"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.endswith(f"Not today: '{tmp_path}': work in a copy of this folder that you may write to\n")


def test_status_shows_each_output_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [{"OutputKey": "Url", "OutputValue": NASTY}, {"OutputKey": "Longer", "OutputValue": "b"}]
    stacks = [{"StackName": "mine", "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]
    client = SimpleNamespace(describe_stacks=lambda: {"Stacks": stacks})
    engine = SimpleNamespace(endpoint_url="http://127.0.0.1:1", port=1, pid=1, client=lambda _service: client)
    monkeypatch.setattr(Engine, "attach", lambda _directory: engine)
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "mine: CREATE_COMPLETE",
        f"  Url     {plain(NASTY)}",
        "  Longer  b",
    ]


def test_status_says_where_nothing_is_deployed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = SimpleNamespace(describe_stacks=lambda: {"Stacks": [{"StackName": "aws-sam-cli-managed-default"}]})
    engine = SimpleNamespace(endpoint_url="http://127.0.0.1:1", port=1, pid=1, client=lambda _service: client)
    monkeypatch.setattr(Engine, "attach", lambda _directory: engine)
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("No stack is deployed there: `make up`")


def test_env_unsets_only_what_a_shell_can(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    engine = SimpleNamespace(client_variables=lambda: {"AWS_REGION": "us-east-1"})
    monkeypatch.setattr(Engine, "attach", lambda _directory: engine)
    monkeypatch.setenv("AWS_PROFILE_OF_MINE", "work")
    monkeypatch.setenv("AWS_X;touch x", "")
    assert cli.main(["env"]) == 0
    unset = capsys.readouterr().out.splitlines()[0].split()
    assert "AWS_PROFILE_OF_MINE" in unset
    assert [name for name in unset if not name.isidentifier()] == []


@pytest.mark.parametrize(
    ("command", "module", "target"),
    [("bench", "psutil", "bench"), ("checks", "samcli.yamlhelper", "audit")],
)
def test_a_program_whose_requirements_are_missing_names_its_target(
    command: str, module: str, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("tools.bench", "tools.checks"))]:
        monkeypatch.delitem(sys.modules, name)
    missing: Any = None
    monkeypatch.setitem(sys.modules, module, missing)
    assert cli.main([command]) == 1
    assert capsys.readouterr().err == f"{module} is not installed for {sys.executable}: `make {target}` installs it.\n"


def ended_with(arguments: list[str]) -> object:
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return end.code


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))
