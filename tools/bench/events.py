"""Batches of payment requests as a queue delivers them."""

import copy
import json
import secrets
import uuid
from typing import Any

from tools import PROJECT

RECORDS = 10  # the largest batch without a batching window
TOKEN_CHARACTERS = 700  # as they are in practice


def payment_batch() -> dict[str, Any]:
    """Ten requests, each with an execution and its own token."""
    [sample] = json.loads((PROJECT / "events/payment_worker/payment.json").read_text())["Records"]
    return {"Records": [_record(sample) for _ in range(RECORDS)]}


def _record(sample: dict[str, Any]) -> dict[str, Any]:
    record, body = copy.deepcopy(sample), json.loads(sample["body"])
    body["taskToken"] = secrets.token_hex(TOKEN_CHARACTERS // 2)
    body["executionId"] = body["executionId"].rpartition(":")[0] + f":{uuid.uuid4()}"
    return record | {"messageId": str(uuid.uuid4()), "body": json.dumps(body)}
