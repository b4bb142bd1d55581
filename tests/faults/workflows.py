"""The workflows that have a ledger, by name."""

from tests.faults.adapter import Adapter
from tests.faults.file_exchange import FileExchange
from tests.faults.order_confirmation import OrderConfirmation
from tests.faults.payment import PaymentCallback

ADAPTERS: dict[str, type[Adapter]] = {
    adapter.name: adapter for adapter in (PaymentCallback, FileExchange, OrderConfirmation)
}
