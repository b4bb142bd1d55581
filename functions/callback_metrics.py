"""Counts what becomes of callbacks."""

from aws_lambda_powertools.metrics import MetricUnit

from observability import metrics
from task_callback import Outcome

_NAMES = {
    Outcome.DELIVERED: "CallbackDelivered",
    Outcome.ALREADY_SETTLED: "CallbackAlreadySettled",
    Outcome.REFUSED: "CallbackRefused",
}


def count_callback(outcome: Outcome) -> None:
    metrics.add_metric(_NAMES[outcome], MetricUnit.Count, 1)
