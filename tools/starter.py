"""A project with one of the workflows, made from the files of this one: what `sam init --location` leaves.

Only the standard library is needed, because it runs wherever SAM CLI is installed.
"""

import ast
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import FLAGSHIP, PROJECT, ToolError

# Of each workflow: its inputs in events/, and the tests that are its own
INPUTS = {
    "payment-callback": ["payment_callback"],
    "manual-callback": ["manual_callback_workflow"],
    "async-api": ["async_api"],
    "file-exchange": ["file_exchange"],
    "order-confirmation": [],
}
TESTS = {
    "payment-callback": ["unit/test_payment_worker.py", "unit/test_payment_provider.py"],
    "manual-callback": ["unit/test_manual_callback.py"],
    "async-api": [
        "unit/test_async_api_requester.py",
        "unit/test_async_api_simulator.py",
        "unit/test_notification_logger.py",
    ],
    "file-exchange": [
        "unit/exchange.py",
        "unit/fake_s3.py",
        "unit/test_file_exchange_breaks.py",
        "unit/test_file_exchange_inbox.py",
        "unit/test_file_exchange_outbox.py",
        "unit/test_file_exchange_processor.py",
        "unit/test_file_exchange_rejected.py",
    ],
    "order-confirmation": [
        "unit/order_table.py",
        "unit/orders/test_page.py",
        "unit/orders/test_store.py",
        "unit/orders/test_stream.py",
        "unit/test_order_api.py",
        "unit/test_order_closer_and_confirmer.py",
        "unit/test_order_processor.py",
        "unit/test_order_starter.py",
    ],
}
SHARED_TESTS = [
    "conftest.py",
    "progress.py",
    "e2e/conftest.py",
    "e2e/given.py",
    "security/sample_secrets.py",
    "unit/conftest.py",
    "unit/support.py",
]
# What is about this project as a whole, or its other workflows
NOT_TOOLS = {"bench", "cost", "diagrams", "checks.py", "demos", "generated.py", "release.py", "starter.py"}
NOT_TARGETS = {
    *("audit", "bench", "check-workflows", "cost", "faults", "pictures", "test-local-invoke", "test-slow"),
    *("demo-manual-callback", "demo-async-api", "demo-file-exchange", "demo-order-confirmation"),
}
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests")


class StarterError(ToolError):
    """An answer that no project can be made from."""


@dataclass(frozen=True)
class Answers:
    """What cookiecutter.json asks for."""

    project_name: str
    workflow: str
    python: str
    architecture: str
    alarm_topic_arn: str


def fill(folder: Path, answers: Answers) -> None:
    """Make the project in a folder. Raises StarterError."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", answers.project_name):
        raise StarterError(
            f"{answers.project_name!r} is no name of a stack: a letter, then letters, digits and hyphens."
        )
    if answers.alarm_topic_arn and not re.fullmatch(r"arn:[\w-]+:sns:[\w:.-]+", answers.alarm_topic_arn):
        raise StarterError(f"{answers.alarm_topic_arn!r} is not the ARN of an SNS topic.")
    template = _template(answers)
    _write(folder, "template.yaml", template)
    _write(folder, "samconfig.toml", _samconfig(answers))
    for name in re.findall(r"DefinitionUri: (\S+)", template):
        _copy(folder, name)
    functions = _functions(re.findall(r"Handler: (\w+)\.lambda_handler", template))
    for name in functions:
        _copy(folder, f"functions/{name}")
    events = {path.removesuffix(".py") for path in functions} | {*INPUTS[answers.workflow]}
    for name in sorted(events):
        if (PROJECT / "events" / name).is_dir():
            _copy(folder, f"events/{name}")
    _tests(folder, answers, functions)
    _tools(folder, answers)
    for name in ("tools/requirements.txt", "requirements-dev.txt", ".gitignore", ".editorconfig", "LICENSE", "linter"):
        _copy(folder, name)
    _write(folder, "Makefile", _makefile())
    _write(folder, "pyproject.toml", _pyproject(answers))
    _write(folder, "README.md", _readme(answers))
    (folder / ".gitkeep").unlink(missing_ok=True)


def _template(answers: Answers) -> str:
    """The workflow's template, at the top of a project."""
    name = "template.yaml" if answers.workflow == FLAGSHIP else f"templates/{answers.workflow}.yaml"
    text = _read(name).replace("Uri: ../", "Uri: ")
    return text.replace("python3.14", answers.python).replace("-python314-", f"-{answers.python.replace('.', '')}-")


def _samconfig(answers: Answers) -> str:
    given = {"Architecture": answers.architecture, "AlarmTopicArn": answers.alarm_topic_arn}
    parameters = " ".join(f"{name}={value}" for name, value in given.items() if value)
    return f"""version = 0.1

[default.global.parameters]
stack_name = "{answers.project_name}"

[default.deploy.parameters]
capabilities = "CAPABILITY_IAM"
resolve_s3 = true
s3_prefix = "{answers.project_name}"
fail_on_empty_changeset = false
parameter_overrides = "{parameters}"
"""


def _functions(modules: Iterable[str]) -> list[str]:
    """The files of functions/ that these modules need, themselves included."""
    found: set[str] = set()
    queue = list(modules)
    while queue:
        name = queue.pop()
        path = PROJECT / "functions" / name.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file() and (relative := str(file.relative_to(PROJECT / "functions"))) not in found:
            found.add(relative)
            queue += _imports(file)
    return sorted(found)


def _imports(file: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield node.module.partition(".")[0]
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tests(folder: Path, answers: Answers, functions: Iterable[str]) -> None:
    own = [*TESTS[answers.workflow], f"e2e/test_{_module(answers.workflow)}.py"]
    shared = [f"unit/callbacks/test_{Path(name).name}" for name in functions if name.startswith("callbacks/")]
    if "dead_letter_reporter.py" in functions:
        own.append("unit/test_dead_letter_reporter.py")
    for name in [*own, *SHARED_TESTS, *shared]:
        if (PROJECT / "tests" / name).exists():
            _copy(folder, f"tests/{name}")


def _tools(folder: Path, answers: Answers) -> None:
    for path in sorted((PROJECT / "tools").iterdir()):
        if path.name not in {*NOT_TOOLS, "__pycache__"}:
            _copy(folder, f"tools/{path.name}")
    for name in ("__init__.py", "common.py", f"{_module(answers.workflow)}.py"):
        _copy(folder, f"tools/demos/{name}")
    _change(folder, "tools/__init__.py", f'FLAGSHIP = "{FLAGSHIP}"', f'FLAGSHIP = "{answers.workflow}"')
    stack = re.sub(
        r"^WORKFLOWS = .*", f'WORKFLOWS = ("{answers.workflow}",)', _read("tools/stack.py"), flags=re.MULTILINE
    )
    _write(folder, "tools/stack.py", stack)


def _makefile() -> str:
    """Ours, without the targets of other workflows and of this project as a whole."""
    kept = []
    for block in _read("Makefile").split("\n\n"):
        rule = re.match(r"([a-z][a-z -]*):(?!=)", block)
        targets = rule[1].split() if rule else []
        if not (set(targets) & NOT_TARGETS or "-audit/audit.stamp:" in block or "bench.stamp:" in block):
            kept.append(block)
    text = re.sub(r"^\.venv-audit/venv\.stamp:.*\n", "", "\n\n".join(kept), flags=re.MULTILINE)
    for gone in [*NOT_TARGETS, "examples", ".venv-audit/venv.stamp", ".venv-audit/audit.stamp", ".venv-audit"]:
        text = re.sub(rf" {re.escape(gone)}(?![\w-])", "", text)
    return text.replace("template.yaml templates statemachine", "template.yaml statemachine").rstrip() + "\n"


def _pyproject(answers: Answers) -> str:
    text = _read("pyproject.toml")
    text = re.sub(r'^name = ".*"$', f'name = "{answers.project_name}"', text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^version = .*$", 'version = "0.1.0"', text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^description = .*\n", "", text, count=1, flags=re.MULTILINE)
    return text.replace(', "linter/tests"', "").replace(":linter/tests:tools/bench/measured", "")


def _readme(answers: Answers) -> str:
    return f"""# {answers.project_name}

The {answers.workflow.replace("-", " ")} workflow. The template is `template.yaml`, the state machine is in
`statemachine/`, the work in `functions/`.

```bash
make demo    # starts an embedded AWS on loopback, deploys, runs the workflow, shows what happened
make test    # unit and end-to-end tests, on embedded AWSs
make check   # format, lint, types; the linter for callback workflows
make help    # the other targets
```

To AWS: `sam deploy` (settings in `samconfig.toml`). The linter in `linter/` is a package by itself.
"""


def _module(workflow: str) -> str:
    return workflow.replace("-", "_")


def _read(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def _change(folder: Path, name: str, before: str, after: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    if before not in text:
        raise StarterError(f"{name} has changed: it has no {before!r}.")
    _write(folder, name, text.replace(before, after))


def _copy(folder: Path, name: str) -> None:
    source, target = PROJECT / name, folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=NOT_COPIED, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)
