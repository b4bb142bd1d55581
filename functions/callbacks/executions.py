"""The only caller of StartExecution: one execution of a name, however often it is started."""

import json
from typing import Any

from callbacks.calls import AWS_ERRORS, client, error_code
from callbacks.entry import PrintableError

_stepfunctions = client("stepfunctions")


class ExecutionNotStarted(PrintableError):
    """The execution may or may not have started: a throttle, a fault of the service or the network, a missing right."""


def start_once(state_machine_arn: str, name: str, execution_input: dict[str, Any]) -> bool:
    """Whether this call found no execution of this name that has ended. Raises ExecutionNotStarted.

    While an execution of the name runs, each call looks like the first. A name is taken for 90 days after its end.
    """
    try:
        _stepfunctions.start_execution(stateMachineArn=state_machine_arn, name=name, input=json.dumps(execution_input))
    except AWS_ERRORS as error:
        code = error_code(error)
        if code != "ExecutionAlreadyExists":
            raise ExecutionNotStarted(code) from None
        return False
    return True
