"""The workflows that have a ledger, by name."""

from tests.faults.adapter import Adapter
from tests.faults.payment import PaymentCallback

ADAPTERS: dict[str, type[Adapter]] = {adapter.name: adapter for adapter in (PaymentCallback,)}
