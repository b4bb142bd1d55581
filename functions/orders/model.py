"""An order, and how far it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """`state` is PROCESSING, WAITING, CONFIRMED, CANCELLED, EXPIRED or FAILED; times are seconds since 1970."""

    order_id: str
    order_details: str
    state: str
    expires_at: int
    decision: str | None
    decided_at: int | None
    decided_by: str | None
    comment: str | None
