"""Settings of every test: nothing reaches AWS unless a stack is named, whatever the machine's own AWS profile says."""

import os

import pytest

AWS_SETTINGS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stack-name", help="run the end-to-end tests against this stack on AWS, not the embedded AWS")


def pytest_configure(config: pytest.Config) -> None:
    os.environ.update(POWERTOOLS_SERVICE_NAME="test", POWERTOOLS_METRICS_NAMESPACE="test")
    if config.getoption("--stack-name"):
        return
    for name in AWS_SETTINGS:
        os.environ.pop(name, None)
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
