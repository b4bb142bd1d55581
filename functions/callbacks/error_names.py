"""Which names of errors nobody outside may give, because retriers, catchers and alarms go by them: AWS's and ours."""

import re
from functools import cache

from botocore.session import get_session

# Of Step Functions itself, of Lambda's runtime, and of the integrations that Step Functions has optimized.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
_NAMESPACES = """
    states aws runtime sandbox extension
    apigateway athena bedrock bedrockruntime codebuild databrew dynamodb ecs eks elasticmapreduce emr emrcontainers
    emrserverless eventbridge events glue gluedatabrew http lambda mediaconvert s3 sagemaker sfn sns sqs stepfunctions
"""
_NAMESPACE_OF = re.compile(r"\W*(\w+)\W*?\.")

_OURS = {"Callback.Failed", "Callback.InvalidOutput", "Callback.Undeliverable"}  # which functions answer with

RESERVED_ERROR_NAME = "error must not begin with Callback. or a name of AWS (States., SQS., Lambda. and the like)"


def is_reserved_error_name(name: str) -> bool:
    """Whether nobody outside may give this name: it is one of AWS, or begins with `Callback.`, as ours do.

    Neither capitals count, nor what is no letter in front of it.
    """
    return _namespace(name) == "callback" or is_aws_error_name(name)


def is_aws_error_name(name: str) -> bool:
    """Whether a retrier, a catcher or an alarm could take this name for one that AWS gives.

    It is one if what stands before its first dot is `States`, `Lambda` or the like, or, where it ends in `Exception`,
    any service of AWS.
    """
    namespace = _namespace(name)
    is_exception = name.rstrip().casefold().endswith("exception")
    return namespace in _NAMESPACES.split() or (is_exception and namespace in _services())


def own_error_name(name: str) -> str:
    """The name that an answer carries: the given one, or one of ours where that is empty or reserved."""
    if not name.strip():
        return "Callback.Failed"
    return f"Callback.{name.lstrip()}" if name not in _OURS and is_reserved_error_name(name) else name


def _namespace(name: str) -> str:
    found = _NAMESPACE_OF.match(name)
    return found[1].casefold() if found else ""


@cache
def _services() -> frozenset[str]:
    return frozenset(name.replace("-", "") for name in get_session().get_available_services())
