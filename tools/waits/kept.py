"""Where the workflows of this project keep the token of who waits: for histories that withhold what was sent."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import BotoCoreError, ClientError

from tools.aws import Aws

Fields = Mapping[str, Any]


def kept_token(aws: Aws, resources: Iterable[Fields], execution: str) -> str | None:
    """The token that the order confirmation or the file exchange keeps of an execution; None where none does.

    `resources`: of the execution's stack. What cannot be read, or is of another execution, holds none.
    """
    for resource in resources:
        with suppress(BotoCoreError, ClientError, KeyError, TypeError, ValueError):
            kept = _record(aws, resource["ResourceType"], resource["PhysicalResourceId"], execution)
            if kept.get("executionId") == execution:
                return str(kept["taskToken"])
    return None


def _record(aws: Aws, kind: str, name: str, execution: str) -> Fields:
    """As functions/orders/store.py and functions/exchange/waiting.py have it."""
    if kind == "AWS::DynamoDB::Table":
        key = {"pk": {"S": f"TOKEN#{execution.rpartition(':')[2]}"}}
        item = aws.client("dynamodb").get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]
        return {field: value.get("S") for field, value in item.items()}
    if kind == "AWS::S3::Bucket":
        key_of_object = f"tokens/{uuid5(NAMESPACE_URL, execution)}.json"
        found: Fields = json.loads(aws.client("s3").get_object(Bucket=name, Key=key_of_object)["Body"].read())
        return found
    return {}
