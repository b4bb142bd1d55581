"""The uuid of an exchange."""

from uuid import NAMESPACE_URL, uuid5

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def uuid_of(execution_id: str) -> str:
    """Always the same for an execution, so that its token is found when it has ended."""
    return str(uuid5(NAMESPACE_URL, execution_id))
