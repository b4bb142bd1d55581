"""Which AWS a command asks: the embedded one where it runs, else the user's own."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools import ToolError
from tools.engine.engine import Engine

CALLS_AT_ONCE = 8
# botocore slows down by itself when AWS throttles, and tries again
_GENTLE = Config(retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=CALLS_AT_ONCE)


@dataclass(frozen=True)
class Aws:
    """`client` makes a client of a service. `name`: how messages call it."""

    client: Callable[[str], Any]
    name: str

    @property
    def is_embedded(self) -> bool:
        """Whether calls go to an engine on this machine: what is there is nobody's production."""
        host = urlsplit(self.client("stepfunctions").meta.endpoint_url).hostname
        return host in ("127.0.0.1", "localhost", "::1")


def find_aws(execution: str = "") -> Aws:
    """The engine of this folder where it runs, else the AWS that the environment and its profiles name.

    Its region is that of `execution` if that is an ARN. Raises ToolError where neither is there.
    """
    from tools import cli

    engine = Engine.attach(cli.DIRECTORY)
    if engine:
        return Aws(engine.client, "the embedded AWS")
    region = execution.split(":")[3] if execution.count(":") > 3 else os.environ.get("AWS_REGION")
    session = boto3.Session(region_name=region or None)
    aws = Aws(lambda service: session.client(service, config=_GENTLE), "your AWS")  # type: ignore[call-overload]
    try:
        aws.client("stepfunctions")
    except BotoCoreError as error:
        raise ToolError(
            f"The embedded AWS does not run (`make up` starts it), and yours cannot be asked: {error}"
        ) from error
    return aws


def reason(error: BotoCoreError | ClientError) -> str:
    """A short name of what went wrong; never the service's own words, which may repeat what was sent."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
