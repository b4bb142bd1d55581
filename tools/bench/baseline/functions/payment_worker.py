"""Answers payment requests one at a time, as samples of this pattern do."""

import json
import random
from typing import Any

import boto3

client = boto3.client("stepfunctions")


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    for record in event["Records"]:
        message = json.loads(record["body"])
        if random.random() < 0.5:  # noqa: S311 - no secret comes of it
            client.send_task_success(
                taskToken=message["taskToken"], output=json.dumps("Payment processed successfully.")
            )
            print(f"Payment of {message['payload']['orderId']} processed")
        else:
            client.send_task_failure(
                taskToken=message["taskToken"], error="Failed to process payment", cause="Invalid Credit Card"
            )
            print(f"Payment of {message['payload']['orderId']} failed")
