"""The workflows that have a ledger, by name."""

from tests.faults.adapter import Adapter
from tests.faults.async_api import AsyncApi
from tests.faults.file_exchange import FileExchange
from tests.faults.manual import ManualCallback
from tests.faults.order_confirmation import OrderConfirmation
from tests.faults.payment import PaymentCallback

_ADAPTERS: list[type[Adapter]] = [PaymentCallback, ManualCallback, AsyncApi, FileExchange, OrderConfirmation]
ADAPTERS = {adapter.name: adapter for adapter in _ADAPTERS}
