"""The clients of AWS: how long a call may take, how often it is tried and what is said of a failure is one for all.

They are botocore's own. What boto3 adds, resources and file transfers, no function uses; it takes a tenth of a cold
start.
"""

from contextlib import suppress
from functools import cache
from ssl import SSLContext
from threading import Lock
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 1, 2, 3
# Longest a call can take: every attempt times out, with waits of up to 1 and 2 seconds between the three
MAX_CALL_SECONDS = _ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + 1 + 2

CLIENT_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    # Not "standard": its quota of 500 tokens is used up by 100 retries, and then each call is tried once only
    retries={"mode": "legacy", "total_max_attempts": _ATTEMPTS},
    max_pool_connections=10,  # as many as a batch has records
)
AWS_ERRORS = (ClientError, BotoCoreError)  # what a call raises: AWS's answer, or what came before it
_session, _one_at_a_time = get_session(), Lock()


def client(service: str, config: Config = CLIENT_CONFIG) -> Any:  # noqa: ANN401 - made from the service's model
    """A client, which threads may share."""
    with _one_at_a_time:  # unlike a client, the session is not for threads
        made: Any = _session.create_client(service, config=config)
    with suppress(AttributeError, KeyError):  # of a botocore that keeps it elsewhere: each connection loads its own
        pool = made._endpoint.http_session._manager  # noqa: SLF001 - there is no setting for it
        _load_certificates_once(pool.connection_pool_kw["ssl_context"])
    return made


def error_code(error: Exception) -> str:
    """What may be said of one of AWS_ERRORS: its code or type, never its text, which may repeat a task token."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def _load_certificates_once(context: SSLContext) -> None:
    """Have a TLS context load the certificates of the authorities once, and not for each connection.

    urllib3 has each new connection load them again (urllib3#3623). That takes 18 ms of CPU time, ten times in the first
    batch of a worker: more than a second where Lambda gives it 256 MB and so a seventh of a CPU.
    """
    load, lock = cache(context.load_verify_locations), Lock()

    def load_once(*locations: Any, **named: Any) -> None:  # noqa: ANN401 - as ssl has them
        with lock:
            load(*locations, **named)

    context.load_verify_locations = load_once  # type: ignore[method-assign]
