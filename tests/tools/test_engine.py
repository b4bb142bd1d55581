"""The embedded AWS trusts no stale state, shares no folder between two commands, and sees nothing of the user's AWS."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import PROJECT
from tools.deployment import configured_stack_name
from tools.engine.engine import Engine, EngineError
from tools.engine.lock import exclusive
from tools.engine.processes import command_lines


def write_state(directory: Path, pid: int) -> None:
    directory.mkdir()
    (directory / "engine.json").write_text(json.dumps({"pid": pid, "port": 1, "tls": False}))


def test_a_reused_process_id_is_not_taken_for_the_engine(tmp_path: Path) -> None:
    write_state(tmp_path / "aws", os.getpid())
    assert Engine.attach(tmp_path / "aws") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": null, "port": 1, "tls": false}'])
def test_an_unreadable_state_file_is_removed(tmp_path: Path, text: str) -> None:
    write_state(tmp_path / "aws", 1)
    (tmp_path / "aws" / "engine.json").write_text(text)
    assert Engine.attach(tmp_path / "aws") is None
    assert list(tmp_path.iterdir()) == []


def test_what_an_engine_did_not_make_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    Engine(tmp_path).stop()
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_a_taken_port_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.engine.engine.ENGINE_PYTHON", Path(sys.executable))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EngineError, match=f"Port {port} is taken"):
            Engine(tmp_path / "aws", port=port).start()
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_dies_leaves_nothing_but_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.engine.engine.ENGINE_PYTHON", Path(sys.executable))
    with pytest.raises(EngineError, match="No package metadata was found for ministack"):
        Engine(tmp_path / "aws").start()
    assert list(tmp_path.iterdir()) == []


def test_what_runs_without_its_folder_is_ended(tmp_path: Path) -> None:
    removed, moved = Engine(tmp_path / "removed").start(), Engine(tmp_path / "moved").start()
    shutil.rmtree(removed.directory)
    moved.directory.rename(tmp_path / "to here")
    for name in ("removed", "to here"):
        engine = Engine(tmp_path / name)
        assert engine.orphaned
        assert Engine.attach(tmp_path / name) is None
        assert not engine.orphaned
    assert list(tmp_path.iterdir()) == []
    assert [engine.pid for engine in (removed, moved) if command_lines().get(engine.pid or 0)] == []
    for engine in (removed, moved):
        engine.stop()  # they are children of this process


def test_an_engine_whose_folder_was_copied_is_left_alone(tmp_path: Path) -> None:
    with Engine(tmp_path / "aws") as engine:
        shutil.copytree(engine.directory, tmp_path / "copy")
        assert not Engine(tmp_path / "copy").orphaned
        assert Engine.attach(tmp_path / "copy") is None
        assert [file.name for file in tmp_path.iterdir()] == ["aws"]
        assert Engine.attach(engine.directory)


@pytest.mark.skipif(sys.platform != "linux", reason="it takes a network without loopback")
def test_without_loopback_it_says_so(tmp_path: Path) -> None:
    start = "import sys, pathlib; from tools.engine.engine import Engine; Engine(pathlib.Path(sys.argv[1])).start()"
    command = ["unshare", "--net", "--map-root-user", sys.executable, "-c", start, str(tmp_path / "aws")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in run.stderr:
        pytest.skip(run.stderr)
    assert "Nothing reaches 127.0.0.1: loopback is down" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_installation_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.engine.engine.ENGINE_PYTHON", tmp_path / "nowhere")
    with pytest.raises(EngineError, match="make setup"):
        Engine(tmp_path / "aws").start()


def test_clients_see_nothing_of_the_users_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", "https://states.example.com")
    engine = Engine(tmp_path, port=4566)
    environment = engine.client_environment()
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_SFN"} & environment.keys()
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert engine.client("stepfunctions").meta.endpoint_url == "http://127.0.0.1:4566"


def test_two_processes_never_hold_the_same_lock(tmp_path: Path) -> None:
    take = (
        "import sys, pathlib\nfrom tools.engine import lock\n"
        "with lock.exclusive(pathlib.Path(sys.argv[1]), wait=False) as h: print(h)"
    )
    command = [sys.executable, "-c", take, str(tmp_path / "aws")]
    with exclusive(tmp_path / "aws") as held:
        assert held
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_what_runs_locally_is_what_samconfig_names() -> None:
    for config_env, tables in tomllib.loads((PROJECT / "samconfig.toml").read_text()).items():
        if config_env != "version":
            assert tables["global"]["parameters"]["stack_name"] == configured_stack_name(config_env)


def test_no_two_environments_of_samconfig_share_a_folder() -> None:
    """Where `sam deploy` finds no template named it takes that of .aws-sam/build, and without a build template.yaml."""
    environments = tomllib.loads((PROJECT / "samconfig.toml").read_text())
    del environments["version"]
    prefixes = {name: tables["deploy"]["parameters"]["s3_prefix"] for name, tables in environments.items()}
    assert prefixes == {name: configured_stack_name(name) for name in environments}
    assert "template_file" not in environments.pop("default")["deploy"]["parameters"]
    for name, tables in environments.items():
        assert tables["global"]["parameters"]["template_file"] == f"templates/{name}.yaml"
        assert tables["build"]["parameters"]["build_dir"] == f".aws-sam/{name}"
        assert "template_file" not in tables["deploy"]["parameters"]


@pytest.mark.parametrize("command", ["demo", "down"])
@pytest.mark.parametrize(("path", "python"), [(os.defpath, "PYTHON=/nowhere/python3"), ("/nowhere", "")])
def test_a_missing_python_is_refused_once(tmp_path: Path, command: str, path: str, python: str) -> None:
    make = shutil.which("make")
    assert make
    shutil.copy(PROJECT / "Makefile", tmp_path)
    shutil.copytree(PROJECT / "tools", tmp_path / "tools")
    refused = subprocess.run(
        [make, command, *python.split()],
        cwd=tmp_path,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert (refused.stdout, refused.stderr.count("Python 3.11 or newer is needed")) == ("", 1)
    assert len(refused.stderr.splitlines()) == 2  # the other is make's own
