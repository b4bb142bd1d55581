"""Which names of errors are AWS's: no answer may carry one, because retriers, catchers and alarms go by them."""

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

NAME_OF_AWS = "error must not begin with a name of AWS, such as States., SQS. or Lambda."


def is_aws_error_name(name: str) -> bool:
    """Whether a retrier, a catcher or an alarm could take this name for one that AWS gives.

    It is one if what stands before its first dot is `States`, `Lambda` or the like, or, where it ends in `Exception`,
    any service of AWS. Neither capitals nor what is no letter in front of it count.
    """
    namespace = _NAMESPACE_OF.match(name)
    if not namespace:
        return False
    service = namespace[1].casefold()
    return service in _NAMESPACES.split() or (name.rstrip().lower().endswith("exception") and service in _services())


def own_error_name(name: str) -> str:
    """The name that an answer carries: the given one, or one of ours where that is empty or AWS's."""
    if not name.strip():
        return "Callback.Failed"
    return f"Callback.{name.lstrip()}" if is_aws_error_name(name) else name


@cache
def _services() -> frozenset[str]:
    return frozenset(name.replace("-", "") for name in get_session().get_available_services())
