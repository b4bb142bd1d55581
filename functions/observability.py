"""The one place that sets up logging and metrics, so that no task token and no card data is ever printed.

A task token is a credential and an order holds card data. The rule that keeps them out of logs: what is logged is
chosen field by field, never an event, a message body, or the text of an exception that we did not word ourselves.

Traces are Lambda's own (`Tracing: Active`). The X-Ray SDK is left out on purpose: it records the texts of service
errors, and Step Functions repeats the task token in some of them.
"""

import os
import traceback
import warnings
from pathlib import PurePath

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics()
# Powertools adds its default dimensions again after each flush, and warns of it; a failed invocation may have no metric
warnings.filterwarnings("ignore", "Dimension 'function_name' has already been added|No application metrics to publish")
metrics.set_default_dimensions(function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "unknown"))


class PrintableError(Exception):
    """An error whose text we wrote ourselves, from nothing secret, so that it may be logged or shown to a caller."""


def describe(error: BaseException) -> str:
    """What may be logged of an error: of one of ours its text, of any other its type and where it was raised."""
    if isinstance(error, PrintableError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
