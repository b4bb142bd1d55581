"""Fields that are not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.fields import unknown_field_problem

KNOWN = {"info", "failTimes"}
ONLY = "the only fields are failTimes and info"


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ([], None),
        (["info", "failTimes"], None),
        (["inof"], f"{ONLY} (did you mean info?)"),
        (["INFO"], f"{ONLY} (did you mean info?)"),
        (["failtimes", "infos"], f"{ONLY} (did you mean failTimes and info?)"),
        (["info", "fail_times"], f"{ONLY} (did you mean failTimes?)"),
        (["4111111111111111"], ONLY),
        ([""], ONLY),
    ],
)
def test_an_unknown_field_is_refused_with_the_one_it_may_have_meant(sent: list[str], problem: str | None) -> None:
    assert unknown_field_problem(sent, KNOWN) == problem


@given(st.lists(st.text(max_size=20), min_size=1))
def test_no_field_that_was_sent_is_repeated(sent: list[str]) -> None:
    problem = unknown_field_problem([f"4111{name}" for name in sent], KNOWN)
    assert problem
    assert "4111" not in problem
