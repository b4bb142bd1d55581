"""An order, as the API and the page show it."""

from dataclasses import dataclass, field

ORDER_ID = r"[A-Za-z0-9_-]{1,64}"


@dataclass(frozen=True)
class Order:
    """`state` is PROCESSING, WAITING, CONFIRMED, CANCELLED, EXPIRED, FAILED or STOPPED.

    `settled` is how people or the workflow settled it: CONFIRMED, CANCELLED, EXPIRED or FAILED. `ended` is FAILED or
    STOPPED where its workflow has ended otherwise than that. Times are in seconds since 1970; `expires_at` is 0 while
    the order is PROCESSING.
    """

    order_id: str
    order_details: str = field(repr=False)
    state: str
    expires_at: int
    settled: str | None = None
    ended: str | None = None
    decided_at: int | None = None
    decided_by: str | None = None
    comment: str | None = field(default=None, repr=False)

    @property
    def decision(self) -> str | None:
        """CONFIRMED or CANCELLED, where somebody has decided."""
        return self.settled if self.settled in ("CONFIRMED", "CANCELLED") else None
