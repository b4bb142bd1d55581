"""The one place that sets up logging and metrics, so that no task token and no card data is ever printed.

A task token is a credential and an order holds card data. The rule that keeps them out of logs: what is logged is
chosen field by field, never an event, a message body, or the text of an exception that we did not word ourselves.

Traces are Lambda's own (`Tracing: Active`). The X-Ray SDK is left out on purpose: it records the texts of service
errors, and Step Functions repeats the task token in some of them.
"""

import logging
import os
import traceback
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import PurePath
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from callbacks.printable import PrintableError as PrintableError

logger = Logger(use_rfc3339=True)  # the only form of time that Lambda reads when it filters logs by level
# At DEBUG, the SDK prints requests and answers, which hold tokens, and Powertools the texts of errors
for _name in ("aws_lambda_powertools", "boto3", "botocore", "urllib3"):
    logging.getLogger(_name).setLevel(logging.INFO)
logging.getLogger("botocore.credentials").setLevel(logging.WARNING)  # at INFO, a line at each cold start
metrics = Metrics()
# Powertools adds its default dimensions again after each flush, and warns of it; a failed invocation may have no metric
warnings.filterwarnings("ignore", "Dimension 'function_name' has already been added|No application metrics to publish")
metrics.set_default_dimensions(function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "unknown"))


class UnexpectedError(PrintableError):
    """An error that no code of ours expects. The text says its type and where it was raised, not what it says."""


def lambda_entry(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Decorates every handler: context in each log line, metrics printed, and no error text that we did not word.

    Lambda logs whatever leaves a handler, so that any other error leaves it as UnexpectedError.
    """

    @logger.inject_lambda_context(clear_state=True, log_event=False)  # even where POWERTOOLS_LOGGER_LOG_EVENT is set
    @metrics.log_metrics
    @wraps(handler)
    def entry(event: Any, context: Any) -> Any:  # noqa: ANN401 - any JSON
        try:
            return handler(event, context)
        except PrintableError:
            raise
        except Exception as error:  # noqa: BLE001 - what it says is unknown, so nobody may see it
            raise UnexpectedError(describe(error)) from None

    return entry


def describe(error: BaseException) -> str:
    """What may be logged of an error: of one of ours its text, of any other its type and where it was raised."""
    if isinstance(error, PrintableError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
