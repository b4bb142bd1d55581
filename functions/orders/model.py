"""An order, as the API and the page tell it."""

from dataclasses import dataclass, field

ORDER_ID = r"[A-Za-z0-9_-]{1,64}"


@dataclass(frozen=True)
class Order:
    """`state` is PROCESSING, WAITING, CONFIRMED, CANCELLED, EXPIRED or FAILED; `decision` is confirm or cancel.

    Times are in seconds since 1970; `expires_at` is 0 while the order is PROCESSING.
    """

    order_id: str
    order_details: str = field(repr=False)
    state: str
    expires_at: int
    decision: str | None = None
    decided_at: int | None = None
    decided_by: str | None = None
    comment: str | None = field(default=None, repr=False)
