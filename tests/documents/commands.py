"""Judges commands without running them: by AWS CLI, SAM CLI, Makefile, modules and files themselves."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any
from warnings import catch_warnings

import click
import jmespath  # type: ignore[import-untyped]
import tree_sitter_bash
from awscli.clidriver import create_clidriver  # type: ignore[import-untyped]
from jmespath.exceptions import ParseError  # type: ignore[import-untyped]
from samcli.cli.main import cli as sam_cli  # type: ignore[import-untyped]
from tree_sitter import Language, Node, Parser

from callback_lint.documents import fields, read
from tools import PROJECT

# Stand in the words of a command for what only a shell knows, and for all that a function is given
OPEN, GIVEN = "…", "$@"
BASH = Parser(Language(tree_sitter_bash.language()))
PLAIN = [
    "basename",
    "cat",
    "curl",
    "date",
    "declare",
    "dirname",
    "echo",
    "eval",
    "export",
    "grep",
    "open",
    "printf",
    "read",
    "sed",
    "set",
    "sleep",
    "sort",
    "tail",
    "tr",
    "true",
]
SET_BY_SHELL = {"1", "@", "AWS_ENDPOINT_URL", "HOME", "PATH", "PWD"}


aws_cli = cache(create_clidriver)


@dataclass
class Commands:
    """What a script, or all scripts of a page, call, set and use. A word may hold OPEN."""

    calls: list[list[str]] = field(default_factory=list)
    functions: dict[str, "Commands"] = field(default_factory=dict)
    loops: list[str] = field(default_factory=list)
    variables_set: set[str] = field(default_factory=set)
    variables_used: set[str] = field(default_factory=set)
    broken: bool = False

    @classmethod
    def of(cls, script: str) -> "Commands":
        found = cls()
        found._add(BASH.parse(script.encode()).root_node)
        return found

    def all_calls(self) -> Iterator[list[str]]:
        """Those of functions included, and with the functions that only pass on their arguments resolved."""
        for call in (*self.calls, *(call for function in self.functions.values() for call in function.calls)):
            yield [*self._passed_on(call[0]), *call[1:]]

    def _passed_on(self, name: str) -> list[str]:
        inner = self.functions[name].calls if name in self.functions else []
        return inner[0][:-1] if len(inner) == 1 and inner[0][-1] == GIVEN else [name]

    def _add(self, node: Node) -> None:
        self.broken |= node.has_error
        match node.type:
            case "function_definition":
                self.functions[_text(node.child_by_field_name("name"))] = inner = Commands()
                for child in node.children[1:]:
                    inner._add(child)
                self.variables_used |= inner.variables_used
                return
            case "command":
                self.calls.append([word for child in node.children for word in _words(child)])
                if self.calls[-1][0] == "read":
                    self.variables_set |= set(self.calls[-1][1:])
            case "for_statement":
                self.variables_set.add(_text(node.child_by_field_name("variable")))
                self.loops += [_text(child) for child in node.children if child.type == "word"]
            case "variable_assignment":
                self.variables_set.add(_text(node.child_by_field_name("name")))
            case "simple_expansion" | "expansion":
                self.variables_used |= {_text(child) for child in node.children if child.type.endswith("variable_name")}
        for child in node.children:
            self._add(child)


def _words(node: Node) -> Iterator[str]:
    """The words of a command that a part of it makes."""
    if node.type == "expansion" and any(child.type == ":+" for child in node.children):
        yield from (_word(child) for child in node.children[3:-1])
    elif node.type not in ("variable_assignment", "file_redirect", "herestring_redirect"):
        yield _word(node)


def _word(node: Node) -> str:
    match node.type:
        case "raw_string":
            return _text(node)[1:-1]
        case "simple_expansion" | "expansion" | "command_substitution" | "process_substitution":
            return GIVEN if _text(node) == GIVEN else OPEN
        case "string" | "concatenation" | "command_name":
            return "".join(_word(child) for child in node.children if child.type != '"')
    return _text(node).replace("\\", "")


def _text(node: Node | None) -> str:
    return (node.text or b"").decode() if node else ""


def problems(page: Commands, *, whole: bool = True) -> Iterator[str]:
    """What is wrong with the commands of a page; with `whole` false, they may lack what they need."""
    if page.broken:
        yield "is no Bash"
    for call in page.all_calls():
        name, *words = call
        judge = JUDGES.get(name)
        if judge:
            yield from (f"{' '.join(call)}: {problem}" for problem in judge(words, whole))
        elif name not in page.functions and name not in PLAIN:
            yield f"{name}: there is no such command"
    yield from _wrong_outputs(page)
    if whole:
        for name in sorted(page.variables_used - page.variables_set - SET_BY_SHELL):
            yield f"${name} is used and never set"


# ------------------------------------------------------------------ AWS CLI
def _aws(words: list[str], whole: bool) -> Iterator[str]:
    driver = aws_cli()
    command, commands = driver, driver._get_command_table()
    for word in (word for word in words if not word.startswith("--")):
        if not commands:
            break
        if word not in commands:
            if OPEN not in word and word != GIVEN:
                yield f"{word} is no command of AWS CLI"
            return
        command = commands[word]
        own = command.subcommand_table if getattr(command, "SUBCOMMANDS", None) else {}  # such as `aws s3 cp`
        commands = getattr(command, "_get_command_table", lambda own=own: own)()
    if not commands:
        yield from _aws_options(command, driver._get_argument_table(), words, whole)
    elif whole and command is not driver:
        yield "no operation"


def _aws_options(command: Any, common: Mapping[str, Any], words: list[str], whole: bool) -> Iterator[str]:
    given = {}
    for word, following in pairwise([*words, ""]):
        if word.startswith("--"):
            option, equals, value = word[2:].partition("=")
            given[option] = value if equals else following
    for option, value in given.items():
        argument = command.arg_table.get(option) or common.get(option)
        yield from _wrong_value(argument, option, value) if argument else [f"there is no option --{option}"]
    if whole and GIVEN not in words:
        options = {name: option for name, option in command.arg_table.items() if option.cli_name.startswith("--")}
        yield from (f"--{name} is missing" for name, option in options.items() if option.required and name not in given)
    if "query" in given and hasattr(command, "_operation_model"):
        yield from _wrong_query(given["query"], command._operation_model.output_shape)


def _wrong_value(argument: Any, option: str, value: str) -> Iterator[str]:
    model = getattr(argument, "argument_model", None)
    allowed = getattr(argument, "choices", None) or getattr(model, "enum", None)
    if allowed and OPEN not in value and value not in allowed:
        yield f"--{option} cannot be {value}"
    if getattr(argument, "cli_type_name", "") == "integer" and OPEN not in value and not value.isdecimal():
        yield f"--{option} takes a number"
    if value.startswith(("file://", "fileb://")):
        yield from _missing_path(value.partition("://")[2])


def _wrong_query(query: str, shape: Any) -> Iterator[str]:
    try:
        with catch_warnings(action="ignore"):  # of texts in backticks, which AWS CLI takes
            tree = jmespath.compile(query.replace(OPEN, "x")).parsed
    except ParseError as error:
        yield f"--query: {error}"
        return
    known = set(_members(shape, set()))
    yield from (f"--query: {name} is not in the answer" for name in _fields(tree) if name not in known)


def _fields(tree: Mapping[str, Any]) -> Iterator[str]:
    if tree["type"] == "field":
        yield tree["value"]
    for child in tree["children"]:
        if isinstance(child, dict):
            yield from _fields(child)


def _members(shape: Any, seen: set[str]) -> Iterator[str]:
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield name
            yield from _members(member, seen)
    elif shape.type_name == "list":
        yield from _members(shape.member, seen)
    elif shape.type_name == "map":
        yield from getattr(shape.key, "enum", [])
        yield from _members(shape.value, seen)


# ------------------------------------------------------------------ the outputs of stacks
def _wrong_outputs(page: Commands) -> Iterator[str]:
    """Names of outputs that the stack which the command names does not have."""
    by_function = {}
    for name, function in page.functions.items():
        for call in function.calls:
            if "OutputKey" in " ".join(call):
                by_function[name] = _stack_of(call)
    own = {_stack_of(call) for call in page.all_calls() if "deploy" in call}
    for call in page.all_calls():
        stack, text = _stack_of(call), " ".join(call)
        if "--stack-name" in call and stack not in {*outputs(), *own}:
            yield f"{stack}: samconfig.toml has no such stack"
        names = re.findall(r"OutputKey\s*==\s*[`'](\w+)[`']", text) if stack in outputs() else []
        names += call[1:] if call[0] in by_function and OPEN not in call else []
        known = outputs().get(by_function.get(call[0], stack), {})
        yield from (f"{name}: no output of {by_function.get(call[0], stack)}" for name in names if name not in known)
    anywhere = {name for names in outputs().values() for name in names}
    yield from (f"{name}: no output of a template" for name in page.loops if name not in anywhere)


def _stack_of(call: list[str]) -> str:
    return call[call.index("--stack-name") + 1] if "--stack-name" in call else ""


@cache
def outputs() -> Mapping[str, Mapping[str, Any]]:
    """The outputs of each stack in samconfig.toml, by the stack's name."""
    found = {}
    for section in _samconfig().values():
        if isinstance(section, dict):
            settings = section["global"]["parameters"]
            template = read(PROJECT / settings.get("template_file", "template.yaml"))
            found[settings["stack_name"]] = fields(fields(template.value).get("Outputs"))
    return found


@cache
def _samconfig() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "samconfig.toml").read_text(encoding="utf-8"))


# ------------------------------------------------------------------ SAM CLI
def _sam(words: list[str], whole: bool) -> Iterator[str]:
    context = click.Context(sam_cli, obj=object())  # with which SAM CLI looks its commands up
    command: click.Command = sam_cli
    while isinstance(command, click.MultiCommand):
        if not words:
            return
        found = command.get_command(context, words[0]) if words[0] in command.list_commands(context) else None
        if found is None:
            yield f"{words[0]} is no command of SAM CLI"
            return
        command, words = found, words[1:]
    try:
        options, operands, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    except click.UsageError as error:
        yield error.format_message()
        return
    if whole and options.get("config_env", "default") not in _samconfig():
        yield f"samconfig.toml has no {options['config_env']}"
    for option in ("event", "template_file"):
        yield from _missing_path(str(options.get(option) or ""))
    function = options.get("function_logical_id")
    if function and not any(function in fields(fields(read(file).value).get("Resources")) for file in templates()):
        yield f"no template has {function}"
    yield from (f"{operand} is too much" for operand in operands)


def templates() -> list[Any]:
    return [PROJECT / "template.yaml", *sorted((PROJECT / "templates").glob("*.yaml"))]


# ------------------------------------------------------------------ make, modules, paths
def _make(words: list[str], whole: bool) -> Iterator[str]:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = " ".join(re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE)).split()
    for word in words:
        variable, equals, value = word.partition("=")
        if equals and not re.search(rf"\b{re.escape(variable)}\b", makefile):
            yield f"the Makefile knows no {variable}"
        elif equals:
            yield from (problem for path in value.split() for problem in _missing_path(path))
        elif not word.startswith("-") and OPEN not in word and word not in targets:
            yield f"the Makefile has no {word}"


def _python(words: list[str], whole: bool) -> Iterator[str]:
    if words[:1] != ["-m"]:
        yield from _missing_path(words[0] if words[:1] != ["-c"] else "")
        return
    module, *arguments = words[1:]
    if find_spec(module.partition(".")[0]) is None or find_spec(module) is None:
        yield f"there is no module {module}"
        return
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if options:
        said = _help(module)
        yield from (f"there is no option {option}" for option in options if not re.search(rf"{option}\b", said))
    yield from (problem for word in arguments for problem in _missing_path(word.partition("::")[0]))


@cache
def _help(module: str) -> str:
    run = [sys.executable, "-m", module, "--help"]
    return subprocess.run(run, cwd=PROJECT, capture_output=True, text=True, check=True).stdout


def _missing_path(word: str) -> Iterator[str]:
    """A path that looks like one of the project: not of the machine, of your own files, or of something else."""
    is_ours = ("/" in word or re.search(r"\.(json|md|py|toml|ya?ml)$", word)) and "://" not in word
    if is_ours and not word.startswith(("/", "../", "~", "-")) and OPEN not in word and not (PROJECT / word).exists():
        yield f"there is no {word}"


JUDGES: Mapping[str, Callable[[list[str], bool], Iterator[str]]] = {
    "aws": _aws,
    "sam": _sam,
    "make": _make,
    ".venv/bin/python": _python,
    "python3": _python,
}
