"""The coin that stands in for a payment provider."""

import pytest

from payment_provider import charge

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:WaitForCallback:example"


@pytest.mark.parametrize("rate", [0, 0.1, 0.5, 0.9, 1])
def test_the_share_of_successes_follows_the_rate(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", str(rate))
    share = sum(charge({}, f"{EXECUTION}-{number}") for number in range(10_000)) / 10_000
    assert share == pytest.approx(rate, abs=0.02)  # 4 standard deviations of 10,000 tosses


def test_the_same_key_has_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SUCCESS_RATE", "0.5")
    answers = [{charge({"amount": amount}, f"{EXECUTION}-{number}") for amount in range(3)} for number in range(100)]
    assert [answer for answer in answers if len(answer) != 1] == []
