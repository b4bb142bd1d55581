"""What is typed after `make` reaches the command as it was typed, and `make help` fits a screen."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import PROJECT

NASTY = ["it's-2", 'a "b"', "a$b$(c)${d}", "`touch x`$(touch x)", "two\nlines", "a#b\\c;d&e|f", "\x1b[2J", "-x", "é "]
VALUES = re.findall(r"^VALUES := (.*)", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
ENVIRONMENTS = {".venv": ("venv", "demo", "test", "bench"), ".venv-engine": ("venv", "engine")}
# Instead of the environment's Python: what it was called with
PYTHON = f"""#!/bin/sh
exec {sys.executable} -c 'import json, os, sys; print(json.dumps([*sys.argv[1:], os.getenv("STACK_NAME")]))' "$@"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with environments in which nothing is installed, and stamps that say that all is."""
    for name in ("Makefile", "requirements-dev.txt", "linter/pyproject.toml", "tools/requirements.txt"):
        old(tmp_path / name)
    for name in ("tools/bench/requirements.txt", "tools/engine/requirements.txt"):
        old(tmp_path / name)
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for environment, stamps in ENVIRONMENTS.items():
        for time, stamp in enumerate(stamps, 1):
            old(tmp_path / environment / f"{stamp}.stamp", time)
        old(tmp_path / environment / "bin/activate")
        (tmp_path / environment / "bin/activate").write_text(f"VIRTUAL_ENV={tmp_path / environment}")
        python = tmp_path / environment / "bin/python"
        python.write_text(PYTHON)
        python.chmod(0o755)
    return tmp_path


def old(file: Path, time: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.utime(file, (time, time))


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if name not in VALUES and not name.startswith("MAKE")
    }
    return subprocess.run(
        [shutil.which("make") or "", "--no-print-directory", *arguments],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def called_with(folder: Path, *arguments: str, **environment: str) -> list[str | None]:
    """The arguments of the one command that make runs, and STACK_NAME."""
    run = make(folder, *arguments, **environment)
    assert (run.returncode, run.stderr) == (0, "")
    called: list[str | None] = json.loads(run.stdout)
    return called


@pytest.mark.parametrize("value", NASTY)
def test_a_value_reaches_the_command_as_it_was_typed(folder: Path, value: str) -> None:
    assert called_with(folder, "show", f"EXECUTION={value}")[-2] == value
    assert called_with(folder, "demo", f"PORT={value}")[-2] == f"--port={value}"
    assert called_with(folder, "cost", f"RUNS={value}")[-2] == f"--runs={value}"
    assert called_with(folder, "soak", f"HOURS={value}")[-2] == f"--hours={value}"
    assert called_with(folder, "test-aws", f"STACK={value}")[-1] == value
    where = called_with(folder, "waits", f"STACK={value}", f"STATE_MACHINE={value}", "LATE=1")
    assert where[3:-1] == [f"--stack={value}", f"--state-machine={value}", "--late"]
    answer = called_with(folder, "answer", *(f"{name}={value}" for name in ("EXECUTION", "STATE", "OUTPUT", "ERROR")))
    assert answer[3:-1] == [*(f"--{name}={value}" for name in ("state", "output", "error")), "--", value]
    three = called_with(folder, "invoke", *(f"{name}={value}" for name in ("FUNCTION", "EVENT", "CONFIG_ENV")))
    assert three[-5:-1] == [f"--config-env={value}", "--", value, value]
    assert not (folder / "x").exists()


def test_files_are_one_path_or_several(folder: Path) -> None:
    for name in ("it's", "a b"):
        (folder / name).mkdir()
        assert called_with(folder, "lint", f"FILES={name}")[2:-1] == [name]
    assert called_with(folder, "lint", "FILES=it's/ tools linter/*.toml")[2:-1] == [
        "it's/",
        "tools",
        "linter/pyproject.toml",
    ]
    assert called_with(folder, "lint")[2:-1] == ["template.yaml", "templates", "statemachine"]


def test_what_is_left_out_has_a_default(folder: Path) -> None:
    assert called_with(folder, "demo", PORT="80")[1:-1] == ["tools", "demo"]
    assert called_with(folder, "cost")[1:-1] == ["tools", "cost"]
    assert called_with(folder, "soak", HOURS="1")[1:-1] == ["tests.soak"]
    assert called_with(folder, "invoke")[1:-1] == ["tools", "invoke", "--config-env=default", "--", "", ""]
    assert called_with(folder, "test-aws", STACK="theirs")[-1] == "theirs"
    assert "Name the stack" in make(folder, "test-aws").stderr


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("empty", ["", " "])
def test_a_value_that_is_empty_is_named_and_nothing_runs(folder: Path, name: str, empty: str) -> None:
    run = make(folder, "up", f"{name}={empty}")
    assert (run.returncode, run.stdout) == (2, "")
    assert f"{name} is empty: give it a value, or leave it out" in run.stderr


def test_help_fits_a_screen() -> None:
    lines = make(PROJECT, "help").stdout.splitlines()
    assert 15 < len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_readme_lists_what_help_lists() -> None:
    groups: list[list[str]] = []
    for line in make(PROJECT, "help").stdout.splitlines():
        if line[0] != " ":
            groups.append([line.split()[0]])
        groups[-1].append(line[8:].split()[0])
    listed = ", ".join(f"{group} `{' '.join(targets)}`" for group, *targets in groups)
    assert f"`make help` says what each does: {listed}." in (PROJECT / "README.md").read_text()


def test_a_folder_that_was_moved_has_its_environments_made_again(folder: Path) -> None:
    assert make(folder, "-n", "setup").stdout == "make: Nothing to be done for 'setup'.\n"
    moved = folder.rename(folder.with_name("moved"))
    made = re.findall(r"-m venv --clear (\S+)", make(moved, "-n", "setup").stdout)
    assert sorted(made) == [".venv", ".venv-engine"]


# ------------------------------------------------------------------ every target after every other that installs
DEMO, DEV, BENCH = "tools/requirements.txt", "requirements-dev.txt", "tools/bench/requirements.txt"
ENGINE, AUDIT = "tools/engine/requirements.txt", "requirements-audit.txt"
# By how a command begins, the longest first: what must be installed when it runs
NEEDS = {
    "-m tools bench": {DEV, BENCH, ENGINE},
    "-m tools checks": {DEV, AUDIT},
    "-m tools cost": {DEV, ENGINE},
    "-m tools diagrams": {DEV},
    "-m tools demo": {DEMO, ENGINE},
    "-m tools up": {DEMO, ENGINE},
    "-m tools invoke": {DEMO, ENGINE},
    "-m tools down": set(),
    "-m tools env": set(),
    "-m tools skip": set(),
    "-m tools status": set(),
    "-m tools": {DEMO},
    "-m pytest tests/aws": {DEV},
    "-m pytest": {DEV, ENGINE},
    "-m pytest --numprocesses 3 --no-loadscope-reorder -m slow": {DEV, ENGINE, AUDIT},
    "-m tests.faults": {DEV, ENGINE},
    "-m tests.soak": {DEV, BENCH, ENGINE},
    "-m ruff": {DEV},
    "-m mypy": {DEV},
    "-m callback_lint": {DEV},
    "zizmor": {DEV},
    "cfn-lint": {DEV},
}
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  -c*) ;;
  "-m venv --clear "*)
    mkdir -p "$4/bin"
    for name in python zizmor cfn-lint; do cp "$0" "$4/bin/$name"; done
    echo "VIRTUAL_ENV=$PWD/$4" > "$4/bin/activate"
    : > "$4/installed" ;;
  "-m pip install "*)
    sleep 0.1 # whoever does not wait is too early
    for file; do :; done
    echo "$file" >> "${0%/bin/python}/installed" ;;
  *) echo "$(basename "$0") $*|$(cat .venv*/installed 2>/dev/null | tr '\\n' ' ')" >> ran ;;
esac
"""
TARGETS = re.findall(r"^\.PHONY: (.*)", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[0].split()
INSTALLING = ["", "setup", "lint", "audit", "bench", "test-local-invoke", "check"]


@pytest.mark.slow
@pytest.mark.parametrize("first", INSTALLING)
def test_every_target_finds_what_it_needs_after_every_other(first: str, tmp_path: Path) -> None:
    before = tmp_path / "before"
    for name in (DEMO, DEV, BENCH, ENGINE, AUDIT, "linter/pyproject.toml"):
        old(before / name)
    shutil.copy(PROJECT / "Makefile", before)
    (tmp_path / "python").write_text(FAKE_PYTHON)
    (tmp_path / "python").chmod(0o755)
    if first:
        assert make(before, first, PYTHON=str(tmp_path / "python")).returncode == 0
    for target in [target for target in TARGETS if target not in ("clean", "help")]:
        folder = tmp_path / "here"
        shutil.copytree(before, folder)
        for activate in folder.glob(".venv*/bin/activate"):  # it was not moved
            activate.write_text(f"VIRTUAL_ENV={activate.parents[1]}")
        (folder / "ran").unlink(missing_ok=True)
        run = make(folder, target, "SECONDS=1", "STACK=s", PYTHON=str(tmp_path / "python"))
        assert run.returncode == 0, run.stderr
        for line in (folder / "ran").read_text().splitlines() if (folder / "ran").exists() else []:
            command, _, installed = line.partition("|")
            command = command.removeprefix("python ")
            needed = next(needs for start, needs in sorted(NEEDS.items())[::-1] if command.startswith(start))
            assert needed <= set(installed.split()), f"{target} after {first or 'nothing'}: {command}"
        shutil.rmtree(folder)
