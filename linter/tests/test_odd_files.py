"""However odd a file is, the linter checks it or says that it cannot: it never crashes."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callback_lint.catalogue import RULES
from callback_lint.documents import Document, Json, Unreadable, parse, read
from callback_lint.linter import template_of
from planting import SOUND, both, planted
from test_frameworks import SERVERLESS
from test_naive_template import NAIVE
from test_state_machine_rules import JSONPATH

NAIVE_BODY = json.loads(json.dumps(read(NAIVE).value))
SOUND_BODY = json.loads(json.dumps(planted(both()).document.value))
SERVERLESS_BODY = json.loads(json.dumps(parse(SERVERLESS, Path("serverless.yml")).value))
_MACHINE = {
    "address": "a",
    "type": "aws_sfn_state_machine",
    "values": {"definition": json.dumps(JSONPATH), "type": "EXPRESS"},
}
PLAN = {"format_version": "1.2", "planned_values": {"root_module": {"resources": [_MACHINE], "child_modules": [{}]}}}
HERE = Path(__file__).parent / "odd.yaml"

names = st.sampled_from(["Type", "Ref", "Fn::Sub", "Fn::If", "Next", "Resource", "Properties", "States", "Ünïcode", ""])
ODD: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["{% $states %}", "{% ( %}", "{%%}", "${X}", "${!X}", "${}", "$$.Task.Token", "*", "States.ALL", "\ud800"]
    ),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=3),
    max_leaves=6,
)


def check(value: Json) -> None:
    check_document(Document(HERE, value, None))


def check_document(document: Document) -> None:
    template = template_of(document)
    if template:
        for rule in RULES.values():
            list(rule.problems(template))


def places(value: Json) -> list[tuple[Json, Json]]:
    """Every object or list with each key or position of it."""
    entries = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in entries] + [place for _, child in entries for place in places(child)]


@pytest.mark.parametrize(
    "body",
    [NAIVE_BODY, SOUND_BODY, JSONPATH, SERVERLESS_BODY, PLAN],
    ids=["naive", "sound", "state machine", "serverless", "Terraform"],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_anything_may_stand_anywhere(body: Json, data: st.DataObject) -> None:
    odd = copy.deepcopy(body)
    for _ in range(data.draw(st.integers(1, 4))):
        found = places(odd)
        if found:
            holder, key = found[data.draw(st.integers(0, len(found) - 1))]
            holder[key] = data.draw(ODD)
    check(odd)


WRONG: list[Json] = [None, [], {}, "", 1, True, [None], {"Ref": "X"}, [[1]], "{% ( %}"]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_each_field_of_the_sound_template_may_be_wrong(wrong: Json) -> None:
    resources = SOUND_BODY["Resources"]
    for name, resource in resources.items():
        for field in resource.get("Properties", {}):
            properties = {**resource["Properties"], field: wrong}
            check({**SOUND_BODY, "Resources": {**resources, name: {**resource, "Properties": properties}}})
    for name in resources:
        check({**SOUND_BODY, "Resources": {**resources, name: wrong}})
    for key in SOUND_BODY:
        check({**SOUND_BODY, key: wrong})


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("{}[]:,\"'&*!<>|-#%@`\n\t a1\\~?.é\x00"))
    | st.binary().map(lambda raw: raw.decode("latin-1"))
)
def test_any_text_is_read_or_refused(text: str) -> None:
    check_text(text)


@pytest.mark.parametrize("file", [NAIVE, SOUND.parent / "request_work.asl.json"], ids=lambda file: file.suffix)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_files_may_be_cut_and_stitched(file: Path, data: st.DataObject) -> None:
    text = file.read_text(encoding="utf-8")
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    check_text(text[:start] + data.draw(st.text(alphabet="{}[]:,\"'&*!|\n\t a-1", max_size=6)) + text[end:])


def check_text(text: str) -> None:
    try:
        check_document(parse(text, HERE))
    except Unreadable as refused:
        assert "odd.yaml:" in str(refused)
