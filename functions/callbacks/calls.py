"""How long a call of AWS may take, and how often it is tried: the same for every client."""

from botocore.config import Config

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
