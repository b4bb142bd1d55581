"""The documents say what is there: each command, option, name, path and link of theirs exists.

That commands work as printed is shown by tests/e2e/test_walkthroughs.py, which runs every block that is not marked.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import botocore.loaders
import pytest

from callback_lint.documents import fields, read
from callback_lint.templates import Resource, Template
from tests.documents.pages import PRINTS, Block, Page, name, pages
from tools import PROJECT
from tools.deployment import template_file
from tools.stack import STACKS, WORKFLOWS

PAGES = pages()
# By its template, the page of each workflow
PAGE_OF = {PROJECT / template_file(STACKS[name]): f"docs/{name}.md" for name in WORKFLOWS}
PARTS = ["What for", "Contract", "Walk-through", "When something fails"]

COMMAND = re.compile(r"(aws|sam|make|eval|\.venv/bin/python) .+")
NAME = re.compile(r"(?=\w*[a-z0-9.][A-Z]|\w*_|\w+\.)[A-Za-z]\w*(\.\w+)*")
PATH = re.compile(r"[\w.-]+(/[\w.*-]+)+/?|[\w-]+\.(json|md|py|toml|ya?ml)|\w+/")
# What is named because it is not there: your own, made later, misspelt, of the embedded AWS, or of other software
NOT_THERE = [
    "functions/requirements.txt",
    ".pytest_cache/pictures",
    "States.TimeOut",
    "Runtime.HandlerError",
    "context.wait_for_callback",
    "stopTimeout",
    "terminationGracePeriodSeconds",
]
AWS_APIS = [
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sns",
    "sqs",
    "stepfunctions",
]


# ------------------------------------------------------------------ what a page names
def wrong(page: Page) -> list[str]:
    """Everything that a page names and that is not there."""
    commands = [(block.line, block.text) for block in page.blocks if block.language == "bash"]
    commands += [(line, span) for line, span in page.code_spans if COMMAND.fullmatch(span)]
    found = [
        f"{line}: the Makefile has no {target}"
        for line, text in commands
        for target in re.findall(r"\bmake(?: -s)? ([a-z][a-z-]+)", text)
        if target not in _targets()
    ]
    for line, span in page.code_spans:
        if span in NOT_THERE or COMMAND.fullmatch(span):
            continue
        if PATH.fullmatch(span):
            found += [f"{line}: there is no {span}"] if _is_missing(page, span) else []
        elif NAME.fullmatch(span) and span not in _words():
            found.append(f"{line}: nothing is called {span}")
    found += [f"{line}: {target} leads nowhere" for line, target in page.links if not _leads(page.path, target)]
    return found


def _is_missing(page: Page, path: str) -> bool:
    """README names files of this project only; elsewhere a path of ours begins with one of its folders.

    A part in capitals stands for any.
    """
    ours = page.path == "README.md" or (PROJECT / path.partition("/")[0]).is_dir()
    return ours and not any(PROJECT.glob(re.sub(r"\b[A-Z]{2,}\b", "*", path.rstrip("/"))))


@cache
def _targets() -> frozenset[str]:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    return frozenset(" ".join(re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)).split())


@cache
def _words() -> frozenset[str]:
    """Every word of the sources and of AWS's APIs, with and without the dots between.

    An error of SQS or Step Functions is also there by the name that a state machine gives it.
    """
    loader = botocore.loaders.Loader()
    apis = json.dumps([loader.load_service_model(service, "service-2") for service in AWS_APIS])
    text = f"{_sources()} {apis} {' '.join(modules())}"
    renamed = [f"Callback.{error}" for error in re.findall(r"\b(?:SQS|States)\.(\w+)", text)]
    return frozenset(re.findall(r"\w+(?:\.\w+)*", text) + re.findall(r"\w+", text) + renamed)


def modules() -> set[str]:
    """The modules of the functions, as Python calls them."""
    files = [file.relative_to(PROJECT / "functions") for file in (PROJECT / "functions").rglob("*.py")]
    return {".".join(file.with_suffix("").parts) for file in files if file.stem != "__init__"}


@cache
def _sources() -> str:
    """All that is written here but for documents and tests."""
    folders = [path for path in PROJECT.iterdir() if path.is_dir() and path.name not in ("docs", "tests")]
    folders = [path for path in folders if path.name == ".github" or not path.name.startswith(".")]
    files = [file for folder in folders for file in folder.rglob("*.*")]
    files += [
        file for file in PROJECT.iterdir() if file.suffix in (".toml", ".yaml", ".txt") or file.stem == "Makefile"
    ]
    kinds = (".json", ".py", ".toml", ".txt", ".yaml", ".yml", "")
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file() and file.suffix in kinds)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_all_that_a_page_names_is_there(page: Page) -> None:
    assert wrong(page) == []


@pytest.mark.parametrize(
    "wrong_name", ["`functions/nobody.py`", "`NobodyFunction`", "`make nothing`", "[a](docs/no.md)"]
)
def test_a_name_of_what_is_not_there_is_found(wrong_name: str) -> None:
    page = PAGES["README.md"]
    assert wrong(Page(page.path, f"{page.text}\n{wrong_name}\n")) != []


# ------------------------------------------------------------------ what is run
def blocks() -> list[Block]:
    return [block for page in PAGES.values() for block in page.blocks]


def test_commands_are_run_or_say_why_not() -> None:
    """A comment above a block of commands is a mark, spelt as a test reads it; no other block has commands."""
    assert [str(block) for block in blocks() if not block.language] == []
    commands = [block for block in blocks() if block.language == "bash"]
    marked = [block for block in commands if block.comment.startswith("<!--")]
    assert [str(block) for block in marked if block.is_run and not PRINTS.fullmatch(block.comment)] == []
    others = [block for block in blocks() if block.language in ("text", "sh", "shell", "console")]
    assert [
        str(block) for block in others for line in block.text.splitlines() if COMMAND.match(line.lstrip("$ "))
    ] == []


def test_the_two_versions_of_the_aws_cli_differ_in_one_option() -> None:
    """Only version 1 is there to run what is printed for both."""
    pairs = [(before, block) for before, block in pairwise(blocks()) if "AWS CLI 2" in block.comment]
    assert pairs
    for version_1, version_2 in pairs:
        shorter = version_2.text.replace("--cli-binary-format raw-in-base64-out", "")
        assert shorter.split() == version_1.text.split()


def test_every_module_and_folder_is_in_the_architecture() -> None:
    page = PAGES["docs/architecture.md"]
    handlers = {function.properties["Handler"].partition(".")[0] for function in functions()}
    shared = {module for module in modules() if "." in module}
    assert handlers | shared <= {span for _, span in page.code_spans}
    [layout] = [block.text for block in page.blocks if block.language == "text"]
    named = [line.split()[0] for line in layout.splitlines() if line[0] != " "]
    assert [name for name in named if not (PROJECT / name).exists()] == []


def functions() -> Iterator[Resource]:
    for path in PAGE_OF:
        yield from Template(read(path)).functions.values()


# ------------------------------------------------------------------ workflows
@pytest.mark.parametrize("template", PAGE_OF, ids=PAGE_OF.values())
def test_tables_of_a_workflow_are_its_template(template: Path) -> None:
    page, written = PAGES[PAGE_OF[template]], fields(read(template).value)
    parameters = {
        name: str(fields(parameter).get("Default", "")).strip()
        for name, parameter in fields(written["Parameters"]).items()
    }
    assert page.table("parameter") == parameters
    assert page.table("output").keys() == fields(written["Outputs"]).keys()
    alarms = [
        key for key, value in fields(written["Resources"]).items() if fields(value)["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert sorted(page.table("alarm")) == sorted(alarms)


@pytest.mark.parametrize("path", PAGE_OF.values())
def test_page_of_a_workflow_has_its_parts_in_order(path: str) -> None:
    assert [heading for heading in PAGES[path].headings if heading in PARTS] == PARTS


# ------------------------------------------------------------------ links
def test_what_the_code_says_of_documents_is_there() -> None:
    said = set(re.findall(r"\b(docs/[\w/-]+\.\w+)(#[\w-]+)?", _sources()))
    assert [path + anchor for path, anchor in said if not _leads("README.md", path + anchor)] == []


def _leads(start: str, target: str) -> bool:
    if "://" in target:
        return True  # outside of the project
    path, _, anchor = target.partition("#")
    file = (PROJECT / start).parent / path if path else PROJECT / start
    page = PAGES.get(name(file.resolve()))
    return file.exists() and (not anchor or (page is not None and anchor in page.anchors))


def test_every_page_is_reached_from_readme() -> None:
    reached, found = set(), {"README.md"}
    while found:
        reached |= found
        targets = {(path, target.partition("#")[0]) for path in found for _, target in PAGES[path].links}
        files = {(PROJECT / path).parent / target for path, target in targets if target and "://" not in target}
        found = {name(file.resolve()) for file in files} & PAGES.keys() - reached
    assert PAGES.keys() - reached == set()


def test_readme_counts_what_the_fault_suite_did() -> None:
    """Executions and workflows: those of the ledger's table in docs/testing.md."""
    lines = [line.strip("| ").split(" | ") for line in PAGES["docs/testing.md"].text.splitlines()]
    header = next(line for line in lines if line[:2] == ["Workflow", "Faults"])
    rows = [dict(zip(header, line, strict=True)) for line in lines if len(line) == len(header) and line[0] in WORKFLOWS]
    executions = sum(int(row["Executions"].replace(",", "")) for row in rows)
    counted = f"{executions:,} executions of {('one', 'two', 'three', 'four', 'five')[len(rows) - 1]} workflow"
    assert counted in PAGES["README.md"].text
    assert {(row["Lost"], row["Doubled"]) for row in rows} == {("0", "0")}
