"""Counts what becomes of callbacks."""

from aws_lambda_powertools.metrics import MetricUnit

from callbacks.entry import logger, metrics
from callbacks.task import Outcome

_NAMES = {
    Outcome.DELIVERED: "CallbackDelivered",
    Outcome.ALREADY_SETTLED: "CallbackAlreadySettled",
    Outcome.REFUSED: "CallbackRefused",
}


def count_callback(outcome: Outcome) -> None:
    """Count a callback, and warn of one that was refused: a bug or an attack."""
    if outcome is Outcome.REFUSED:
        logger.warning("task token refused: it is malformed, or belongs to another account")
    metrics.add_metric(_NAMES[outcome], MetricUnit.Count, 1)
