"""A standing order between the forms in which client, ledger and contract have it."""

from collections.abc import Sequence
from typing import Any

from contracts import standing_orders
from contracts.abi import call_data
from contracts.milk_price_feed import Price
from contracts.standing_orders import PriceMode, StandingOrder, order_argument
from ledger.store.standing_orders import SignedStandingOrder
from ledger.units import Units


def signed_terms(stored: SignedStandingOrder) -> StandingOrder:
    """What the payer signed."""
    return StandingOrder(
        payer=stored.payer,
        merchant=stored.merchant,
        into_vaults=stored.into_vaults,
        litres=Units(stored.litres),
        period_seconds=stored.period_seconds,
        price_mode=PriceMode(stored.price_mode),
        fixed_price=Price(stored.fixed_price),
        max_price=Price(stored.max_price),
        rate=Price(stored.rate),
        starts_at_seconds=stored.starts_at,
        ends_at_seconds=stored.ends_at,
        nonce=stored.nonce,
    )


def period_at(stored: SignedStandingOrder, now: int) -> int:
    """The period that runs at this moment of the chain, from 0 on."""
    return (now - stored.starts_at) // stored.period_seconds


def assess_data(stored: SignedStandingOrder) -> bytes:
    """The call that says what collecting would do now."""
    return call_data(standing_orders.artifact(), "assess", _collection(stored))


def collect_data(stored: Sequence[SignedStandingOrder]) -> bytes:
    """The data of the transaction that collects these."""
    collections = [_collection(one) for one in stored]
    return call_data(standing_orders.artifact(), "collect", collections)


def _collection(stored: SignedStandingOrder) -> tuple[Any, ...]:
    signature = stored.signature
    parts = (signature[64], signature[:32], signature[32:64])
    return (order_argument(signed_terms(stored)), parts)
