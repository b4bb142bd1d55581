"""Asks a payment provider by HTTP: copied over functions/payment_provider.py, it replaces the coin there."""

from typing import Any

import urllib3  # botocore's own, so it is there

from callbacks.entry import PrintableError
from callbacks.settings import setting

PROVIDER_SECONDS = 3  # of the function's 15: 12 are for the callback

_http = urllib3.PoolManager(timeout=urllib3.Timeout(total=PROVIDER_SECONDS), retries=False, maxsize=10)


class ProviderUnavailable(PrintableError):
    """The provider said neither yes nor no: the request comes back to the queue, and is a dead letter in the end."""


def charge(payment: dict[str, Any], idempotency_key: str) -> bool:
    """Whether the provider at PAYMENT_PROVIDER_URL takes the payment: it answers 200 for yes and 402 for no.

    The execution's ARN is the idempotency key. A request that comes again, by another delivery, a retry or a redrive,
    has the same one, so that the provider charges once. Raises ProviderUnavailable, ConfigurationError, or an error of
    urllib3, for each of which the request comes back.
    """
    if not idempotency_key.startswith("arn:"):  # a task token, which is another one at each retry
        raise ProviderUnavailable("a request without an executionId is not charged: it would have no idempotency key")
    key = {"Idempotency-Key": idempotency_key}
    answer = _http.request("POST", setting("PAYMENT_PROVIDER_URL"), json=payment, headers=key)
    if answer.status not in (200, 402):
        raise ProviderUnavailable(f"the provider answers {answer.status}")
    return answer.status == 200
