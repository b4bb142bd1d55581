"""Which AWS a command asks: the embedded one where it runs, else the user's own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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


def find_aws(directory: Path, region: str | None = None) -> Aws:
    """The engine that runs in a folder, else the AWS that the environment and its profiles name.

    Raises ToolError where neither is there.
    """
    engine = Engine.attach(directory)
    if engine:
        return Aws(engine.client, "the embedded AWS")
    session = boto3.Session(region_name=region)
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
