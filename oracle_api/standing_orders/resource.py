"""A standing order as clients see it."""

from enum import StrEnum
from typing import Any

from contracts.milk_price_feed import format_price
from contracts.standing_orders import PriceMode, most_units_a_period
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from ledger.store.standing_orders import SignedStandingOrder, StandingRecord
from ledger.units import Units, format_bill
from oracle_api.standing_orders.terms import period_at, signed_terms
from oracle_api.times import rfc3339, rfc3339_seconds


class StandingStatus(StrEnum):
    """Where a standing order stands, by the ledger and the chain's clock."""

    NOT_STARTED = "not_started"
    DUE = "due"
    COLLECTED = "collected"
    """For the period that runs."""
    CANCELLED = "cancelled"
    ENDED = "ended"


def status_of(record: StandingRecord, *, now: int) -> StandingStatus:
    """Its status at a moment of the chain."""
    order = record.order
    if record.is_cancelled:
        return StandingStatus.CANCELLED
    if now >= order.ends_at:
        return StandingStatus.ENDED
    if now < order.starts_at:
        return StandingStatus.NOT_STARTED
    done = record.collected_period
    is_done = done is not None and done >= period_at(order, now)
    return StandingStatus.COLLECTED if is_done else StandingStatus.DUE


def write_standing_order(record: StandingRecord, *, now: int) -> dict[str, Any]:
    """The terms, what was collected, and what the keeper did last."""
    order = record.order
    return {
        "id": standing_order_id(order),
        "object": "standing_order",
        "status": str(status_of(record, now=now)),
        "payer": format_address(order.payer),
        "merchant": format_address(order.merchant),
        "intoVaults": order.into_vaults,
        "litres": format_bill(Units(order.litres)),
        "periodSeconds": order.period_seconds,
        "priceMode": "fixed" if order.price_mode == PriceMode.FIXED else "all_milk",
        "fixedPrice": format_price(order.fixed_price),
        "maxPrice": format_price(order.max_price),
        "rate": format_price(order.rate),
        "mostPerPeriod": format_bill(most_units_a_period(signed_terms(order))),
        "startsAt": rfc3339_seconds(order.starts_at),
        "endsAt": rfc3339_seconds(order.ends_at),
        "nonce": str(order.nonce),
        "registeredAt": rfc3339(order.registered_at),
        "collected": {
            "count": record.collected_count,
            "bill": format_bill(Units(record.collected_units)),
            "lastPeriod": record.collected_period,
        },
        "lastAttempt": _attempt(record),
    }


def standing_order_id(order: SignedStandingOrder) -> str:
    """What a standing order is called over the API."""
    return f"sto_{order.order_hash.hex()}"


def _attempt(record: StandingRecord) -> dict[str, Any] | None:
    if record.last_attempted_at is None:
        return None
    return {
        "outcome": record.last_outcome,
        "reason": record.last_reason,
        "period": record.last_period,
        "txHash": record.last_tx_hash and to_hex(record.last_tx_hash),
        "attemptedAt": rfc3339(record.last_attempted_at),
    }
