"""How many stories are played, and how long they are."""

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from hypothesis.stateful import run_state_machine_as_test

LONG = "EXAMPLES" in os.environ  # as `make simulate` sets it
STEPS = 15

counted: Counter[str] = Counter()  # stories and their steps


def play(stories: Any, examples: int, **options: Any) -> None:
    """Play stories. In `make test` they are the same each time, so that a change finds what it breaks, and no more."""
    with pytest.MonkeyPatch.context() as patch:
        # Or numbers of our modules would be chosen more often: of those that happen to be loaded by then
        patch.setattr(providers, "_get_local_constants", Constants)
        patch.setattr(providers, "CONSTANTS_CACHE", LRUCache(1024))
        run_state_machine_as_test(
            stories,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                report_multiple_bugs=False,
                print_blob=False,
                database=None,
                **options,
            ),
        )
