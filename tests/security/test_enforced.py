"""The payment callback on an embedded AWS that decides about every call by IAM, over TLS."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_payment_callback import (  # noqa: F401 - collected here, with the fixtures below
    test_a_payment_that_somebody_stops_is_notified_as_aborted,
    test_payments_succeed_and_fail_and_each_end_is_notified_as_it_is,
)
from tests.security.arns import stack_arns
from tools.engine.engine import Engine
from tools.stack import Stack, deployed


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    directory = tmp_path_factory.mktemp("enforcing-aws") / "engine"
    with (
        Engine(directory, environment={"AUTH": "true", "USE_SSL": "1"}) as engine,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("AWS_CA_BUNDLE", engine.client_variables()["AWS_CA_BUNDLE"])
        yield engine


@contextmanager
def deployed_where_iam_decides(engine: Engine, config_env: str = "default") -> Iterator[Stack]:
    stack = deployed(engine, config_env=config_env)
    yield stack
    for client in stack.clients.values():
        client.close()  # the engine would wait for the end of each TLS connection


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Stack]:
    with deployed_where_iam_decides(engine) as stack:
        yield stack


# ------------------------------------------------------------------ that it is enforced
def test_the_endpoint_speaks_tls_with_a_certificate_of_its_own(engine: Engine) -> None:
    assert engine.endpoint_url.startswith("https://")
    trusting = ssl.create_default_context(cafile=engine.client_variables()["AWS_CA_BUNDLE"])
    assert urlopen(f"{engine.endpoint_url}/_ministack/health", timeout=5, context=trusting).status == 200  # noqa: S310
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urlopen(f"{engine.endpoint_url}/_ministack/health", timeout=5, context=ssl.create_default_context())  # noqa: S310


@pytest.fixture
def worker(stack: Stack, engine: Engine) -> Callable[[str], Any]:
    """Clients with the rights of the payment worker."""
    session = {"RoleArn": str(stack_arns(stack)["PaymentWorkerRole"]), "RoleSessionName": "test"}
    credentials = stack.client("sts").assume_role(**session)["Credentials"]
    return lambda service: boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=engine.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_a_role_is_held_to_its_policies(stack: Stack, worker: Callable[[str], Any]) -> None:
    urls = stack.outputs
    assert worker("sqs").get_queue_attributes(QueueUrl=urls["PaymentQueueUrl"], AttributeNames=["QueueArn"])
    forbidden: list[Callable[[], Any]] = [
        lambda: worker("sqs").get_queue_attributes(QueueUrl=urls["DeadLetterQueueUrl"], AttributeNames=["QueueArn"]),
        lambda: worker("sqs").purge_queue(QueueUrl=urls["PaymentQueueUrl"]),
        lambda: worker("sns").publish(TopicArn=urls["NotificationTopicArn"], Message="forged"),
        lambda: worker("stepfunctions").start_execution(stateMachineArn=urls["StateMachineWaitForCallbackArn"]),
    ]
    for call in forbidden:
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            call()


def test_a_role_answers_tokens_of_its_own_state_machine_only(stack: Stack, worker: Callable[[str], Any]) -> None:
    # Given a state machine of this account that is not the stack's, and sends its tokens to the same queue
    sfn, machine = stack.client("stepfunctions"), stack.outputs["StateMachineWaitForCallbackArn"]
    own = sfn.describe_state_machine(stateMachineArn=machine)
    other = sfn.create_state_machine(name="other", definition=own["definition"], roleArn=own["roleArn"])
    tokens = []
    with stack.consumer_off("PaymentWorkerFunctionName"):
        for arn in (machine, other["stateMachineArn"]):
            sfn.start_execution(stateMachineArn=arn, input="{}")
            tokens.append(json.loads(stack.receive("PaymentQueueUrl")["Body"])["taskToken"])
    # Then
    client = worker("stepfunctions")
    for token, error in zip(tokens, (None, "AccessDenied"), strict=True):
        answers: list[Callable[[], Any]] = [
            lambda token=token: client.send_task_heartbeat(taskToken=token),  # type: ignore[misc]
            lambda token=token: client.send_task_failure(taskToken=token, error="Payment.Refused"),  # type: ignore[misc]
        ]
        for answer in answers:
            if error is None:
                answer()
            else:
                with pytest.raises(ClientError, match=error):
                    answer()
    sfn.delete_state_machine(stateMachineArn=other["stateMachineArn"])
