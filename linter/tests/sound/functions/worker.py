"""Answers a request."""

from callbacks.task import send_task_success


def lambda_handler(event: dict[str, str], _context: object) -> None:
    send_task_success(event["taskToken"], "done")
