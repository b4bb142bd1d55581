"""Fails the workflow of a dead letter."""

from callbacks import task


def lambda_handler(event: dict[str, str], _context: object) -> None:
    print("dead letter", len(event))
    task.send_task_failure(event["taskToken"], "Undeliverable")
