"""What stands in several templates under one name is the same in all of them, but for what is listed here.

Each template is deployed by itself, and so has its own copy of parameters, roles, policies, alarms and keys. Whoever
changes one finds the others here.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from callback_lint.documents import Fields, Json, fields, items, read
from tests.templates.rules.functions import POWERTOOLS_LAYERS
from tools import PROJECT
from tools.deployment import template_file
from tools.stack import STACKS, WORKFLOWS

EXAMPLES = "examples/template.yaml"
TEMPLATES = [*(template_file(STACKS[name]) for name in WORKFLOWS), EXAMPLES]

# By the path of a difference: why it may be. A * is any part of a path.
MAY_DIFFER = {
    "Globals/Function/CodeUri": "the path from the template to functions/",
    "Outputs/*/Description": "in the words of the workflow",
    "Parameters/*/Description": "in the words of the workflow",
    "Resources/*/Properties/AlarmDescription": "what to do is the workflow's",
    "Resources/*/Properties/Description*": "in the words of the workflow",
    "Resources/*/Properties/LogGroupName/Ref": "the log of the workflow's state machine",
    "Resources/MachineryFaultsMetricFilter/Properties/FilterPattern": "the services that the state machine calls",
    "Resources/DeadLetterQueue/Properties/RedrivePolicy/maxReceiveCount": "the receives of the queue before count on",
    "Resources/DeadLetterReporterRole/*/Resource*": "the state machine whose tokens are answered",
    "Resources/*QueuePolicy/Properties/Queues*": "the queues of the workflow",
    "Resources/NotificationQueuePolicy/Properties/PolicyDocument/Statement*": "who delivers to these queues",
    "Resources/NotificationTopicPolicy/Properties/PolicyDocument/Statement*": "who publishes to the topic",
    "Resources/EncryptionKmsKey/Properties/KeyPolicy/Statement*": "the services that use the key",
    "Resources/StoppedExecutionRule/Properties/EventPattern/detail/stateMachineArn*": "the workflow's state machine",
    "Resources/StoppedExecutionRule/Properties/Targets/0/InputTransformer/InputTemplate": "the workflow's own fields",
}
# The examples are to be read: one architecture, a fixed retention, no alarm on functions
OF_EXAMPLES = (
    "Globals/Function/Architectures",
    "Globals/Function/Layers/0/Fn::Sub",
    "Globals/Function/LoggingConfig/SystemLogLevel",
    "Resources/*LogGroup/Properties/RetentionInDays",
)
# By what a path in a statement of a policy may begin with: the resources are the workflow's, and what a table needs
STATEMENTS_MAY_DIFFER = ("*/Resource*", "UseKey/Action*")


def bodies() -> dict[str, Fields]:
    return {name: fields(read(PROJECT / name).value) for name in TEMPLATES}


def parts(body: Fields) -> Iterator[tuple[str, Json]]:
    for section in ("Parameters", "Conditions", "Globals", "Resources", "Outputs"):
        for name, part in fields(body.get(section)).items():
            yield f"{section}/{name}", part


def differences(one: Json, other: Json, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for position, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{path}/{position}")
    elif one != other:
        yield path


def may_differ(path: str, templates: set[str]) -> bool:
    allowed = [*MAY_DIFFER, *(OF_EXAMPLES if EXAMPLES in templates else ())]
    return any(fnmatchcase(path, pattern) for pattern in allowed)


def test_what_has_one_name_in_several_templates_is_the_same() -> None:
    found: dict[str, tuple[str, Json]] = {}
    unlike = []
    for template, body in bodies().items():
        for name, part in parts(body):
            first, known = found.setdefault(name, (template, part))
            unlike += [
                f"{path} in {template} is not as in {first}"
                for path in differences(known, part, name)
                if not may_differ(path, {first, template})
            ]
    assert unlike == []


def statements(value: Json) -> Iterator[Fields]:
    for child in value.values() if isinstance(value, dict) else items(value):
        yield from statements(child)
    if isinstance(value, dict) and "Sid" in value:
        yield value


def test_statements_of_policies_that_have_one_name_are_alike() -> None:
    unlike = set()
    found: dict[tuple[str, str], Fields] = {}
    for template, body in bodies().items():
        for statement in statements(body):
            service = str(items(statement["Action"])[:1] or statement["Action"]).partition(":")[0]
            known = found.setdefault((statement["Sid"], service), statement)
            unlike |= {
                f"{path} in {template}"
                for path in differences(known, statement, statement["Sid"])
                if not any(fnmatchcase(path, pattern) for pattern in STATEMENTS_MAY_DIFFER)
            }
    assert unlike == set()


def test_every_difference_that_is_allowed_is_there() -> None:
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for body in bodies().values():
        for name, part in parts(body):
            found[name].append(part)
    paths = {path for name, alike in found.items() for part in alike[1:] for path in differences(alike[0], part, name)}
    unused = [each for each in [*MAY_DIFFER, *OF_EXAMPLES] if not any(fnmatchcase(path, each) for path in paths)]
    assert unused == []


# ------------------------------------------------------------------ how they are written
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_written_to_be_read(template: str) -> None:
    """No line over 120 characters, and no mapping in braces over several lines, but in the text of a dashboard."""
    lines = text_of(template).splitlines()
    assert [number for number, line in enumerate(lines, start=1) if len(line) > 120] == []
    in_text = re.compile(r"^( *)\S.*: (?:!Sub )?[|>]-?$")
    flow_over_lines, text_indent = [], -1
    for number, line in enumerate(lines, start=1):
        indent = len(line) - len(line.lstrip())
        if text_indent >= 0 and line.strip() and indent <= text_indent:
            text_indent = -1
        bare = re.sub(r"\$\{[^}]*\}|\"[^\"]*\"|'[^']*'| #.*", "", line)
        if text_indent < 0 and bare.count("{") != bare.count("}"):
            flow_over_lines.append(number)
        if found := in_text.match(line):
            text_indent = len(found[1])
    assert flow_over_lines == []


# ------------------------------------------------------------------ a new version of Powertools
def test_a_new_version_of_powertools_reaches_every_place() -> None:
    """Change the pin in requirements-dev.txt, then follow what this test says until it says nothing."""
    [version] = re.findall(r"^aws-lambda-powertools==(\S+)$", text_of("requirements-dev.txt"), re.MULTILINE)
    layers = {str(layer) for layer, packed in POWERTOOLS_LAYERS.items() if packed == version}
    known = "POWERTOOLS_LAYERS in tests/templates/rules/functions.py"
    where = "https://docs.aws.amazon.com/powertools/python/latest/getting-started/install/"
    assert layers, f"1. Look up the number of the layer with Powertools {version} at {where} and add it to {known}."
    left = [
        f"{file}:{number}: {line.strip()}"
        for file in ["tools/engine/requirements.txt", *bodies()]
        for number, line in enumerate(text_of(file).splitlines(), start=1)
        for named, pinned, layer in re.findall(
            r"# Powertools ([\d.]+\d)|aws-lambda-powertools==(\S+)|:layer:AWSLambdaPowertools\S*:(\d+)$", line
        )
        if (named or pinned or version) != version or (layer and layer not in layers)
    ]
    assert left == [], (
        f"2. These lines are to say {version}, and layer {' or '.join(layers)}. Then make setup, make test."
    )


def text_of(file: str) -> str:
    return (PROJECT / file).read_text(encoding="utf-8")
