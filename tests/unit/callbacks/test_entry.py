"""The entry of every handler: what its log lines look like, and which words of an error leave it."""

import io
import json
from datetime import datetime, timedelta

import pytest

from callbacks.entry import PrintableError, UnexpectedError, lambda_entry, logger
from tests.unit.support import CONTEXT


def test_a_line_has_an_rfc_3339_time_which_the_log_level_filter_of_lambda_reads(printed: io.StringIO) -> None:
    # When
    lambda_entry(lambda _event, _context: logger.info("text"))({}, CONTEXT)
    # Then
    [text] = printed.getvalue().splitlines()
    line = json.loads(text)
    assert (line["level"], line["message"]) == ("INFO", "text")
    assert line["function_request_id"] == CONTEXT.aws_request_id
    time = datetime.strptime(line["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert len(line["timestamp"]) == len("2026-11-20T10:00:00.000+00:00")
    assert abs(datetime.now(time.tzinfo) - time) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("raised", "leaves", "text"),
    [
        (PrintableError("our words"), PrintableError, "^our words$"),
        (ValueError("secret"), UnexpectedError, r"^ValueError at test_entry.py:\d+$"),
    ],
)
def test_only_words_of_ours_leave(raised: Exception, leaves: type[Exception], text: str) -> None:
    def handler(_event: object, _context: object) -> None:
        raise raised

    with pytest.raises(leaves, match=text) as caught:
        lambda_entry(handler)({}, CONTEXT)
    assert caught.type is leaves
    assert caught.value.__cause__ is None
