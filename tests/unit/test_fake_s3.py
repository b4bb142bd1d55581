"""The bucket in a dictionary answers as moto's does, for the calls that the functions make."""

from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.exchange import NAME, new_exchange
from tests.unit.fake_s3 import FakeS3

CALLS = [
    ("put_object", []),
    ("put_object", ["IfNoneMatch"]),
    ("put_object", ["IfMatch"]),
    ("get_object", []),
    ("get_object", ["VersionId"]),
    ("copy_object", ["CopySource"]),
    ("delete_object", []),
    ("delete_object", ["IfMatch"]),
    ("delete_object", ["VersionId"]),
]


Call = tuple[tuple[str, list[str]], str, int]


@given(calls=st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from("abc"), st.integers(0, 3)), max_size=10))
@settings(max_examples=30, deadline=None)
def test_every_call_comes_to_the_same_as_with_moto(calls: list[Call]) -> None:
    with new_exchange() as moto:
        assert answers_of(FakeS3(), calls) == answers_of(moto.s3, calls)


def answers_of(s3: Any, calls: list[Call]) -> list[object]:
    """The content or the error that each call comes to. Its number says which object written before it is about."""
    written = [s3.put_object(Bucket=NAME, Key="a", Body="first")]
    answers: list[object] = []
    for (operation, names), read, number in calls:
        # What is copied has its own ETag on AWS, where it is encrypted, and not with moto
        key = {"get_object": read, "copy_object": "c"}.get(operation, "b" if read == "b" else "a")
        before = written[number % len(written)]
        known = {
            "IfNoneMatch": "*",
            "IfMatch": before["ETag"],
            "VersionId": before["VersionId"],
            "CopySource": {"Bucket": NAME, "Key": "a", "VersionId": before["VersionId"]},
        }
        arguments = {name: known[name] for name in names} | ({"Body": str(len(written))} if "put" in operation else {})
        try:
            answer = getattr(s3, operation)(Bucket=NAME, Key=key, **arguments)
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
            continue
        if operation == "put_object":
            written.append(answer)
        answers.append(answer["Body"].read() if operation == "get_object" else operation)
    return answers
