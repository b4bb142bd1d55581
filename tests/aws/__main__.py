"""Takes a stack away for good, as the documents say by hand: `python -m tests.aws NAME`.

Executions first, because AWS waits with the deletion of a state machine until the last has ended; then whatever is in
its bucket, in every version; then `sam delete`. The AWS configuration of the shell says where.
"""

import os
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from tools import PROJECT


def main(name: str) -> int:
    """The exit code of `sam delete`; 0 where there is no such stack."""
    session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    try:
        resources = [each for page in pages.paginate(StackName=name) for each in page["StackResourceSummaries"]]
    except ClientError as error:
        print(error)
        return 0 if "does not exist" in str(error) else 1
    for resource in resources:
        if resource["ResourceStatus"] == "DELETE_COMPLETE":
            continue
        if resource["ResourceType"] == "AWS::StepFunctions::StateMachine":
            stop_all(session, resource["PhysicalResourceId"])
        if resource["ResourceType"] == "AWS::S3::Bucket":
            empty(session, resource["PhysicalResourceId"])
    sam = [str(Path(sys.executable).with_name("sam")), "delete", "--no-prompts", "--stack-name", name]
    return subprocess.run([*sam, "--region", session.region_name], cwd=PROJECT, check=False).returncode


def stop_all(session: boto3.Session, machine: str) -> None:
    sfn = session.client("stepfunctions")
    for page in sfn.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING"):
        for execution in page["executions"]:
            sfn.stop_execution(executionArn=execution["executionArn"], error="Stack.Deleted")


def empty(session: boto3.Session, bucket: str) -> None:
    s3 = session.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


if __name__ == "__main__":
    [_, stack_name] = sys.argv
    sys.exit(main(stack_name))
