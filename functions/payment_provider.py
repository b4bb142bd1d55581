"""Stands in for a payment provider: it says yes or no at random. Put your own here (docs/your-own-work.md)."""

import hashlib
import math
from typing import Any

from callbacks.settings import ConfigurationError, setting


def charge(_payment: dict[str, Any], idempotency_key: str) -> bool:
    """Yes or no. Whatever is raised means "don't know": the queue asks again, with the same key."""
    digest = hashlib.sha256(idempotency_key.encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48 < payment_success_rate()


def payment_success_rate() -> float:
    """The share of payments that succeed, 0 to 1, from PAYMENT_SUCCESS_RATE. Raises ConfigurationError."""
    try:
        rate = float(setting("PAYMENT_SUCCESS_RATE"))
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        raise ConfigurationError("environment variable PAYMENT_SUCCESS_RATE is not a number from 0 to 1")
    return rate
