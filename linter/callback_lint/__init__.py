"""Rules for callback workflows, for anybody's templates and state machines: `python -m callback_lint [PATH …]`."""
