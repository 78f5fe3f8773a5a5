"""Reads orders with what belongs to them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.audience import Audience
from ledger.order import Payment, Status
from ledger.store.orders import StoredOrder, list_orders, read_order_by_id
from ledger.store.pool import Connection
from ledger.store.standings import read_payments


@dataclass(frozen=True, slots=True)
class Page:
    """Orders, newest first, and whether older ones follow."""

    page: Sequence[StoredOrder]
    has_more: bool


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """An order and its canonical payments, in chain order."""

    order: StoredOrder
    payments: Sequence[Payment]


async def read_with_payments(
    connection: Connection, order_id: str, audience: Audience
) -> PaidOrder | None:
    """One order with its payments; None when there is none that this audience may see."""
    order = await read_order_by_id(connection, order_id)
    if order is None or not audience.includes(order.store_id, order.account_id):
        return None
    payments = (await read_payments(connection, [order_id]))[order_id]
    in_order = sorted(payments, key=lambda payment: (payment.block_number, payment.log_index))
    return PaidOrder(order, in_order)


async def list_by_status(
    connection: Connection,
    statuses: Sequence[Status],
    *,
    before_id: str | None,
    limit: int,
    audience: Audience,
) -> Page:
    """At most `limit` orders of the given statuses that this audience may see."""
    found = await list_orders(
        connection, statuses, before_id=before_id, limit=limit + 1, audience=audience
    )
    return Page(found[:limit], len(found) > limit)
