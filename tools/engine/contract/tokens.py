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


def new(machine_arn: str) -> str:
    """Base64, which has + / and = in it, as AWS's tokens have."""
    content = secrets.token_bytes(32) + machine_arn.encode()
    return base64.b64encode(MARK + _signature(content) + content).decode()


def machine_of(token: str) -> str | None:
    """The state machine whose task a token is of; None if this engine did not give it, to this account and region."""
    try:
        data = base64.b64decode(token, validate=True)
    except ValueError:
        return None
    mark, signature, content = data[: len(MARK)], data[len(MARK) : len(MARK) + 32], data[len(MARK) + 32 :]
    given = mark == MARK and hmac.compare_digest(signature, _signature(content))
    return content[32:].decode() if given else None


def _signature(content: bytes) -> bytes:
    return hmac.digest(_secret, f"{get_account_id()} {get_region()} ".encode() + content, hashlib.sha256)
