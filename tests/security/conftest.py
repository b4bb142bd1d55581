"""The security tests share the deployed stack, and what belongs to it, with the end-to-end tests."""

from tests.e2e.conftest import engine, notifications, order, stack

__all__ = ["engine", "notifications", "order", "stack"]
