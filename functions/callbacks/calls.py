"""The clients of AWS: how long a call may take, and how often it is tried, is the same for each.

They are botocore's own. What boto3 adds, resources and file transfers, no function uses; it takes a tenth of a cold
start.
"""

import gc
from functools import cache
from ssl import SSLContext
from threading import Lock
from typing import Any

from botocore import __version__ as botocore_version
from botocore import httpsession
from botocore.config import Config
from botocore.session import get_session
from urllib3.util.ssl_ import create_urllib3_context

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 1, 2, 3
# Longest a call can take: every attempt times out, with waits of up to 1 and 2 seconds between the three
MAX_CALL_SECONDS = _ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + 1 + 2

CLIENT_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    # Not "standard": its quota of 500 tokens is used up by 100 retries, and then each call is tried once only
    retries={"mode": "legacy", "total_max_attempts": _ATTEMPTS},
    max_pool_connections=10,  # as many as a batch has records
    # The one that botocore puts together at each call takes a sixth of the call's CPU time
    user_agent=f"Botocore/{botocore_version}",
)


@cache
def _tls_context() -> SSLContext:
    """One for every connection of every client, which loads the certificates of the authorities once.

    urllib3 has each new connection load them again (urllib3#3623). That takes 18 ms of CPU time, ten times in the first
    batch of a worker: more than a second where Lambda gives it 256 MB and so a seventh of a CPU.
    """
    context, lock = create_urllib3_context(), Lock()
    load = cache(context.load_verify_locations)

    def load_once(cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:  # noqa: ANN401 - as ssl has it
        with lock:
            load(cafile, capath, cadata)

    context.load_verify_locations = load_once  # type: ignore[method-assign]
    return context


httpsession.create_urllib3_context = _tls_context  # where a botocore to come makes its own otherwise, this does nothing
_session, _one_at_a_time = get_session(), Lock()


def client(service: str, config: Config = CLIENT_CONFIG) -> Any:  # noqa: ANN401 - made from the service's model
    """A client, which threads may share."""
    with _one_at_a_time:  # unlike a client, the session is not for threads
        gc.disable()  # it would look again and again through the model of the service, of which nothing can go
        try:
            return _session.create_client(service, config=config)
        finally:
            gc.enable()
