"""How many stories are played, and how long they are."""

import os
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

LONG = "EXAMPLES" in os.environ  # as `make simulate` sets it
STEPS = 15

counted: Counter[str] = Counter()  # stories and their steps


def play(stories: Any, examples: int, **options: Any) -> None:
    """Play stories. In `make test` they are the same each time, so that a change finds what it breaks, and no more."""
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
