"""Three requests in a bucket, the files that answer two of them, and what became of bucket and workflows.

The demo plays the partner: it reads what is in outbound/ and writes into inbound/.
"""

import json
import shlex
import time
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from botocore.exceptions import ClientError
from rich.table import Table
from rich.tree import Tree

from tools.demos import common
from tools.engine.engine import Engine, calls_explained

INPUT_FILE = "events/file_exchange/request.json"
INPUTS: dict[str, dict[str, Any]] = {
    "in stock": {"info": {"orderId": "order-1"}},
    "out of stock": {"info": {"orderId": "order-2"}},
    "not asked": {"failTimes": 3},
}
# What the partner drops: the file's name and its content
ANSWERS: dict[str, tuple[str, Any]] = {
    "in stock": ("success.json", {"orderId": "order-1", "status": "shipped"}),
    "out of stock": ("failure.json", {"error": "OutOfStock", "cause": "None is left."}),
}
EXPECTED = {"in stock": "SUCCEEDED", "out of stock": "OutOfStock"}  # "not asked" fails by what Lambda calls the error


def run(engine: Engine, outputs: Mapping[str, str]) -> bool:
    console = common.make_console()
    s3, bucket = engine.client("s3"), outputs["ExchangeBucketName"]
    with calls_explained():
        executions = common.start(engine, outputs["FileExchangeStateMachineArn"], INPUTS.items())
        uuids = {execution.label: _uuid(execution) for execution in executions}
        asked = {label: _await_request(s3, bucket, uuids[label]) for label in ANSWERS}
        console.print(_tree("Bucket, while the workflows wait", s3, bucket, uuids.values()))
        for label, (name, content) in ANSWERS.items():
            if asked[label]:
                key = f"inbound/{uuids[label]}/{name}"
                common.print_plain(console, f"The partner drops {key}")
                s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content))
        common.follow_notified(engine, executions, console, outputs["NotificationTestQueueUrl"])
        console.print(_tree("Bucket, when they have ended", s3, bucket, uuids.values()))
    console.print(_table(executions))
    complete = common.summarize(executions, console)
    as_expected = common.ended_as_expected([each for each in executions if each.label in EXPECTED], EXPECTED, console)
    common.print_commands(console, _commands(outputs))
    common.print_one(engine, executions[0], console)
    if complete and as_expected:
        machine, order = outputs["FileExchangeStateMachineArn"], {"orderId": "order-3"}
        common.leave_waiting(engine, machine, {"info": order}, {**order, "status": "shipped"}, console)
    return complete and as_expected


def _uuid(execution: common.Execution) -> str:
    """As functions/file_exchange_processor.py makes it; a partner reads it in the request."""
    return str(uuid5(NAMESPACE_URL, execution.arn))


def _await_request(s3: Any, bucket: str, uuid: str) -> bool:  # noqa: ANN401
    """Whether the partner finds the request in time."""
    deadline = time.monotonic() + common.EXECUTION_SECONDS
    while time.monotonic() < deadline:
        try:
            s3.head_object(Bucket=bucket, Key=f"outbound/{uuid}/request.json")
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            time.sleep(0.1)
        else:
            return True
    return False


def _tree(title: str, s3: Any, bucket: str, uuids: Iterable[str]) -> Tree:  # noqa: ANN401
    """What the bucket holds of these exchanges."""
    root = Tree(title)
    branches = {"": root}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for key in sorted(entry["Key"] for page in pages for entry in page.get("Contents", [])):
        if any(uuid in key for uuid in uuids):
            path = ""
            for part in key.split("/"):
                parent, path = path, f"{path}/{part}"
                if path not in branches:
                    branches[path] = branches[parent].add(common.cell(part))
    return root


def _table(executions: list[common.Execution]) -> Table:
    table = Table("Request", *common.COLUMNS, "Notification")
    for execution in executions:
        cells = execution.cells()
        cells[3].truncate(60, overflow="ellipsis")  # a function's cause is long
        table.add_row(*cells, execution.notified())
    return table


def _commands(outputs: Mapping[str, str]) -> str:
    bucket = shlex.quote(outputs["ExchangeBucketName"])
    state_machine = shlex.quote(outputs["FileExchangeStateMachineArn"])
    start_one = f"aws stepfunctions start-execution --state-machine-arn {state_machine}"
    newest = f"aws s3api list-objects-v2 --bucket {bucket} --prefix outbound/"
    return f"""EXECUTION=$({start_one} --input file://{INPUT_FILE} --query executionArn --output text)
REQUEST=$({newest} --query 'sort_by(Contents, &LastModified)[-1].Key' --output text) # some seconds later
aws s3 cp "s3://{bucket}/$REQUEST" -
UUID=$(basename "$(dirname "$REQUEST")")
echo '{{"status": "shipped"}}' | aws s3 cp - "s3://{bucket}/inbound/$UUID/success.json"
aws stepfunctions describe-execution --execution-arn "$EXECUTION"
aws s3 ls --recursive s3://{bucket}"""
