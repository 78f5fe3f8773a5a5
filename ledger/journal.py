"""What the journal says when an order's standing changes."""

from dataclasses import dataclass
from typing import Any

from ledger.json_hex import to_hex
from ledger.order import Order, Standing, Status
from ledger.units import format_bill, format_myr


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is not yet numbered; `data` is JSON as clients see it."""

    type: str
    order_id: str
    data: dict[str, Any]


def standing_events(order: Order, before: Status, now: Standing) -> list[Event]:
    """The events that tell of an order's new standing.

    An order that was found finalized at once still tells that it was paid: whoever waits for
    `order.paid` must not have to know about catching up.
    """
    types = [f"order.{now.status}" if now.status is not before else "order.updated"]
    if now.status is Status.SETTLED and not order.was_paid:
        types.insert(0, "order.paid")
    # `wasPaid` lets a reader count an order once that is paid, reversed and paid again.
    told = {"previousStatus": str(before), "wasPaid": order.was_paid}
    data = order_event_data(order, now) | told
    return [Event(kind, order.id, data) for kind in types]


def order_event_data(order: Order, now: Standing) -> dict[str, Any]:
    """What every event tells about its order."""
    covering = now.covering
    return {
        "orderId": order.id,
        "status": str(now.status),
        "amountDue": format_bill(order.amount_due),
        "amountMyr": format_myr(order.amount_myr),
        "amountReceived": format_bill(now.amount_received),
        "amountOwedBack": format_bill(now.amount_owed_back),
        "confirmationPolicy": {
            "requiredFinality": str(order.required_finality),
            "reason": str(order.policy_reason),
        },
        "payment": None
        if covering is None
        else {
            "txHash": to_hex(covering.tx_hash),
            "logIndex": covering.log_index,
            "blockNumber": covering.block_number,
            "blockHash": to_hex(covering.block_hash),
            "blockTimestamp": covering.block_timestamp,
        },
    }
