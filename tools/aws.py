"""Which AWS a command asks: the embedded one where it runs, else the user's own."""

import functools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools import ToolError, plain

THEIRS = "your AWS, which is asked because the embedded AWS does not run"
CALLS_AT_ONCE = 8
# botocore slows down by itself when AWS throttles, and tries again
_GENTLE = Config(retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=CALLS_AT_ONCE)


class Aws:
    """`client` gives the client of a service, which `make` makes once. `name`: how messages call it.

    `now`: the time of its Step Functions, which on the embedded AWS can be moved forward.
    """

    def __init__(self, make: Callable[[str], Any], name: str, now: Callable[[], datetime] | None = None) -> None:
        self.client = functools.cache(make)
        self.name = name
        self.now = now or (lambda: datetime.now(UTC))

    @property
    def is_embedded(self) -> bool:
        """Whether calls go to an engine on this machine: what is there is nobody's production."""
        host = urlsplit(self.client("stepfunctions").meta.endpoint_url).hostname
        return host in ("127.0.0.1", "localhost", "::1")


def find_aws(execution: str = "") -> Aws:
    """The engine of this folder where it runs, else the AWS that the environment and its profiles name.

    The region is that of `execution` if that is an ARN, or else of AWS_REGION, which boto3 does not look at. Raises
    ToolError where neither is there.
    """
    from tools import cli

    engine = cli.attach()
    if engine:
        return Aws(engine.client, "the embedded AWS", lambda: engine.skip(0))
    parts = execution.split(":")
    region = parts[3] if parts[0] == "arn" and len(parts) > 3 else os.environ.get("AWS_REGION")
    session = boto3.Session(region_name=region or None)
    make: Callable[..., Any] = session.client
    aws = Aws(lambda service: make(service, config=_GENTLE), THEIRS)
    try:
        aws.client("stepfunctions")
    except BotoCoreError as error:
        raise ToolError(f"Nothing can be asked of {aws.name}: {plain(error)}") from error
    return aws


def reason(error: BotoCoreError | ClientError) -> str:
    """A short name of what went wrong; never the service's own words, which may repeat what was sent."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
