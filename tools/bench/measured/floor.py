"""What nobody who uses the SDK can do without: the floor of a cold start."""

import boto3

client = boto3.client("stepfunctions")
