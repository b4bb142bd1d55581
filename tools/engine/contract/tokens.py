"""Task tokens: one for each attempt of a task that waits, known again when it is settled, and not to be made up."""

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from ministack.core.responses import get_account_id, get_region

if TYPE_CHECKING:
    from tools.engine.contract.tasks import Attempt

MARK = b"states-task-token"
_secret = secrets.token_bytes(32)

waiting: dict[str, "Attempt"] = {}


def new() -> str:
    """Base64, which has + / and = in it, as AWS's tokens have."""
    number = secrets.token_bytes(32)
    return base64.b64encode(MARK + number + _signature(number)).decode()


def was_given(token: str) -> bool:
    """Whether this engine made it, for this account and region."""
    try:
        data = base64.b64decode(token, validate=True)
    except ValueError:
        return False
    mark, number, signature = data[: len(MARK)], data[len(MARK) : len(MARK) + 32], data[len(MARK) + 32 :]
    return mark == MARK and hmac.compare_digest(signature, _signature(number))


def _signature(number: bytes) -> bytes:
    return hmac.digest(_secret, f"{get_account_id()} {get_region()} ".encode() + number, hashlib.sha256)
