"""The configuration, `[tool.callback-lint]` in pyproject.toml or `.callback-lint.toml`, and comments beside a finding.

ignore = ["EC2018"]
exclude = ["legacy/**"]
thresholds = {fewest-receives = 3, visibility-per-timeout = 6}
[ignore-paths]
"examples/**" = ["EC1007"]
[ignore-names]  # of states and resources
"Ask *" = ["EC1007"]
"""

import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path

from callback_lint.catalogue import RULES
from callback_lint.documents import Fields, Json, Problem, texts_in
from callback_lint.documents import fields as fields_of
from callback_lint.templates import Template, Thresholds

OWN_FILE, PROJECT_FILE, TABLE = ".callback-lint.toml", "pyproject.toml", "callback-lint"
_INLINE = re.compile(r"callback-lint:\s*ignore\s+((?:[A-Z]+\d{4}[,\s]*)+)")
_BY_CFN_LINT = {rule.cfn_lint_id: rule.id for rule in RULES.values()}


class WrongConfig(Exception):
    """The configuration cannot be read. The text says where and why."""


@dataclass(frozen=True)
class Config:
    """`names`: patterns of names of states and resources."""

    ignore: frozenset[str] = frozenset()
    exclude: tuple[str, ...] = ()
    paths: dict[str, frozenset[str]] = field(default_factory=dict)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def excludes(self, path: Path) -> bool:
        return any(_matches(path, pattern) for pattern in self.exclude)

    def ignores(self, rule_id: str, problem: Problem) -> bool:
        if rule_id in self.ignore:
            return True
        by_path = (ids for pattern, ids in self.paths.items() if _matches(problem.path, pattern))
        by_name = (ids for pattern, ids in self.names.items() if fnmatchcase(problem.message, f"{pattern}: *"))
        return any(rule_id in ids for ids in (*by_path, *by_name))


def _matches(path: Path, pattern: str) -> bool:
    """`**` and `*` match folders, too. A path counts from where the linter runs, where it lies below that."""
    with suppress(ValueError, OSError, RuntimeError):
        path = path.resolve().relative_to(Path.cwd())
    return fnmatchcase(path.as_posix(), pattern.replace("**", "*"))


def find_config(folder: Path) -> Config:
    """That of the nearest folder, from this one up, that has any. Raises WrongConfig."""
    for parent in (folder, *folder.parents):
        own, project = parent / OWN_FILE, parent / PROJECT_FILE
        if own.is_file():
            return read_config(own)
        if project.is_file() and TABLE in fields_of(_loaded(project).get("tool")):
            return read_config(project)
    return Config()


def read_config(file: Path) -> Config:
    """Raises WrongConfig."""
    loaded = _loaded(file)
    if file.name == PROJECT_FILE:
        loaded = fields_of(fields_of(loaded.get("tool")).get(TABLE))
    known = {"ignore", "exclude", "thresholds", "ignore-paths", "ignore-names"}
    for name in loaded.keys() - known:
        raise WrongConfig(f"{file}: there is no setting {name}, only {', '.join(sorted(known))}")
    return Config(
        ignore=_ids(file, loaded.get("ignore", [])),
        exclude=tuple(_texts(file, "exclude", loaded.get("exclude", []))),
        paths=_table(file, "ignore-paths", loaded),
        names=_table(file, "ignore-names", loaded),
        thresholds=_thresholds(file, loaded.get("thresholds", {})),
    )


def _loaded(file: Path) -> Fields:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:  # TOML and UTF-8 that are none
        raise WrongConfig(f"{file}: {error}") from None


def _table(file: Path, name: str, loaded: Fields) -> dict[str, frozenset[str]]:
    table = loaded.get(name, {})
    if not isinstance(table, dict):
        raise WrongConfig(f"{file}: {name} is no table of patterns")
    return {pattern: _ids(file, ids) for pattern, ids in table.items()}


def _ids(file: Path, value: Json) -> frozenset[str]:
    ids = frozenset(_BY_CFN_LINT.get(rule_id, rule_id) for rule_id in _texts(file, "a list of rules", value))
    for unknown in sorted(ids - RULES.keys()):
        raise WrongConfig(f"{file}: there is no rule {unknown}")
    return ids


def _texts(file: Path, name: str, value: Json) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise WrongConfig(f"{file}: {name} is no list of texts: {value!r}")
    return value


def _thresholds(file: Path, value: Json) -> Thresholds:
    known = {each.name.replace("_", "-"): each.name for each in fields(Thresholds)}
    given: dict[str, int] = {}
    for name, number in fields_of(value).items():
        if name not in known or not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise WrongConfig(
                f"{file}: thresholds are whole numbers above 0 of {', '.join(known)}: {name} = {number!r}"
            )
        given[known[name]] = number
    return Thresholds(**given)


# ------------------------------------------------------------------ beside a finding


def inline_ignores(template: Template) -> Callable[[str, Problem], bool]:
    """Whether something beside a problem names the rule: a comment on its line or the one before, the Comment of its
    state, the Metadata of its resource or of the template.
    """
    by_name: dict[str, set[str]] = {}
    everywhere = _of_metadata(template.body.get("Metadata"))
    for resource in template.resources.values():
        by_name[resource.id] = _of_metadata(resource.body.get("Metadata"))
    for machine in template.state_machines:
        of_machine = _of_text(machine.definition.get("Comment"))
        for state in machine.states:
            by_name.setdefault(state.name, set()).update(of_machine | _of_text(state.fields.get("Comment")))

    naming = {name: ids for name, ids in by_name.items() if ids}

    lines_of: dict[Path, list[str]] = {}

    def ignores(rule_id: str, problem: Problem) -> bool:
        if problem.path not in lines_of:
            lines_of[problem.path] = _lines(problem.path)
        lines = lines_of[problem.path]
        here = lines[problem.line - 1 : problem.line]
        above = [
            line for line in lines[max(problem.line - 2, 0) : problem.line - 1] if line.lstrip().startswith(("#", "//"))
        ]
        named = {rule for name, ids in naming.items() if problem.message.startswith(f"{name}:") for rule in ids}
        return rule_id in everywhere | named or any(rule_id in _of_text(line) for line in (*here, *above))

    return ignores


def _of_text(text: Json) -> set[str]:
    found = _INLINE.search(text) if isinstance(text, str) else None
    return {_BY_CFN_LINT.get(rule_id, rule_id) for rule_id in re.findall(r"[A-Z]+\d{4}", found[1])} if found else set()


def _of_metadata(metadata: Json) -> set[str]:
    """As cfn-lint has it: `cfn-lint: {config: {ignore_checks: [E9107]}}`."""
    config = fields_of(fields_of(fields_of(metadata).get("cfn-lint")).get("config"))
    return {_BY_CFN_LINT.get(rule_id, rule_id) for rule_id in texts_in(config.get("ignore_checks"))}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except (OSError, ValueError):
        return []
