from tests import openapi


def test_the_description_in_docs_is_what_the_code_makes() -> None:
    again = "Write it again: PYTHONPATH=functions .venv/bin/python -m tests.openapi"
    assert openapi.FILE.read_text() == openapi.as_text(), again
