"""The clients of AWS: how long a call may take, and how often it is tried, is the same for each.

They are botocore's own. What boto3 adds, resources and file transfers, no function uses; it takes a tenth of a cold
start.
"""

from typing import Any

from botocore import __version__ as botocore_version
from botocore.config import Config
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
    # The one that botocore puts together at each call takes a sixth of the call's CPU time
    user_agent=f"Botocore/{botocore_version}",
)

_session = get_session()


def client(service: str, config: Config = CLIENT_CONFIG) -> Any:  # noqa: ANN401 - made from the service's model
    return _session.create_client(service, config=config)
