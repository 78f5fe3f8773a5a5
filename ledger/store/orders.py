"""Orders: written once, read by id, status or page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from ledger.audience import EVERYTHING, Audience
from ledger.journal import Event
from ledger.order import Finality, PolicyReason, Status
from ledger.store.journal import append_events, notify
from ledger.store.pool import Connection
from ledger.units import Sen, Units

INSERT = """
INSERT INTO orders (
    id, chain_id, store_id, reference, items, amount_myr, rate_myr_per_bill, amount_due, address,
    required_finality, created_at, expires_at, status, amount_received, amount_owed_back, version,
    account_id, payer_exposure_limit, store_exposure_limit, customer, rate_source,
    rate_updated_at
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'awaiting_payment', 0, 0, 0, $13, $14,
    $15, $16, $17, $18
)
"""

SET_VERSION = "UPDATE orders SET version = $2 WHERE id = $1"

_COLUMNS = """
SELECT id, chain_id, store_id, reference, items, amount_myr, rate_myr_per_bill, amount_due,
       address, required_finality, created_at, expires_at, cancelled_at, paid_at, settled_at,
       status, amount_received, amount_owed_back, amount_refunded, version, policy_reason,
       payer_exposure_limit, store_exposure_limit, rate_source, rate_updated_at, account_id
FROM orders
"""

READ = _COLUMNS + "WHERE id = $1"

READ_BY_ADDRESS = _COLUMNS + "WHERE address = $1"

_LIST = (
    _COLUMNS
    + """
WHERE status = ANY($1::text[]) AND ($2::text IS NULL OR id < $2) AND {whose}
ORDER BY id DESC LIMIT $3
"""
)

_SETTLED = (
    _COLUMNS
    + """
WHERE status = 'settled' AND id > $2 AND settled_at > $1 AND {whose} ORDER BY id DESC LIMIT $3
"""
)

IS_ADDRESS = "SELECT true FROM orders WHERE address = $1"

# Statements of their own, so that each is planned with the index that fits it.
_WHOSE = ("$4::text IS NULL", "store_id = $4", "account_id = $4")
LIST_ALL, LIST_OF_STORE, LIST_OF_ACCOUNT = (_LIST.format(whose=whose) for whose in _WHOSE)
SETTLED_ALL, SETTLED_OF_STORE, SETTLED_OF_ACCOUNT = (
    _SETTLED.format(whose=whose) for whose in _WHOSE
)

CANCEL = """
UPDATE orders SET cancelled_at = $2
WHERE id = $1 AND cancelled_at IS NULL AND status IN ('awaiting_payment', 'expired', 'underpaid')
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to be written; `expires_at` in Unix seconds, addresses 20 bytes.

    The exposure limits are stored with it, since the indexer, which applies them, reads no
    settings of the oracle; None is no limit.

    `customer` is whom its loyalty points belong to, as `ledger.loyalty.customer_of` names them.
    """

    id: str
    chain_id: int
    store_id: str
    reference: str | None
    items: Sequence[dict[str, Any]]
    amount_myr: Sen
    rate_myr_per_bill: Decimal
    amount_due: Units
    address: bytes
    required_finality: Finality
    created_at: datetime
    expires_at: int
    account_id: str | None = None
    payer_exposure_limit: Sen | None = None
    store_exposure_limit: Sen | None = None
    customer: bytes | None = None
    rate_source: str = "fixed"
    rate_updated_at: int | None = None


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as it stands; `version` is the number of the last event about it."""

    id: str
    chain_id: int
    store_id: str
    reference: str | None
    items: Sequence[dict[str, Any]]
    amount_myr: Sen
    rate_myr_per_bill: Decimal
    amount_due: Units
    address: bytes
    required_finality: Finality
    created_at: datetime
    expires_at: int
    cancelled_at: datetime | None
    paid_at: datetime | None
    settled_at: datetime | None
    status: Status
    amount_received: Units
    amount_owed_back: Units
    amount_refunded: Units
    version: int
    policy_reason: PolicyReason
    payer_exposure_limit: Sen | None
    store_exposure_limit: Sen | None
    rate_source: str
    rate_updated_at: int | None
    account_id: str | None = None


async def insert_order(
    connection: Connection, order: NewOrder, *, event: Event, now: datetime
) -> None:
    """Write an order with its first event."""
    await connection.execute(
        INSERT,
        order.id,
        order.chain_id,
        order.store_id,
        order.reference,
        list(order.items),
        order.amount_myr,
        order.rate_myr_per_bill,
        Decimal(order.amount_due),
        order.address,
        str(order.required_finality),
        order.created_at,
        order.expires_at,
        order.account_id,
        order.payer_exposure_limit,
        order.store_exposure_limit,
        order.customer,
        order.rate_source,
        order.rate_updated_at,
    )
    (seq,) = await append_events(connection, [event], now=now)
    await connection.execute(SET_VERSION, order.id, seq)
    await notify(connection, tip_number=None, last_seq=seq)


async def read_order_by_id(connection: Connection, order_id: str) -> StoredOrder | None:
    """One order, or None."""
    row = await connection.fetchrow(READ, order_id)
    return None if row is None else _stored(row)


async def is_order_address(connection: Connection, address: bytes) -> bool:
    """Whether whatever is sent there pays an order."""
    return await connection.fetchval(IS_ADDRESS, address) is not None


async def read_order_by_address(connection: Connection, address: bytes) -> StoredOrder | None:
    """The order that is paid at this address, or None."""
    row = await connection.fetchrow(READ_BY_ADDRESS, address)
    return None if row is None else _stored(row)


async def list_orders(
    connection: Connection,
    statuses: Sequence[Status],
    *,
    before_id: str | None,
    limit: int,
    audience: Audience = EVERYTHING,
) -> list[StoredOrder]:
    """Orders of the given statuses, newest first, continuing before `before_id`."""
    statement, whose = _of(audience, LIST_ALL, LIST_OF_STORE, LIST_OF_ACCOUNT)
    names = [str(status) for status in statuses]
    rows = await connection.fetch(statement, names, before_id, limit, whose)
    return [_stored(row) for row in rows]


async def list_settled(
    connection: Connection,
    *,
    since: datetime,
    after_id: str,
    limit: int,
    audience: Audience = EVERYTHING,
) -> list[StoredOrder]:
    """Orders that were settled after `since`, newest first; none made before `after_id`."""
    statement, whose = _of(audience, SETTLED_ALL, SETTLED_OF_STORE, SETTLED_OF_ACCOUNT)
    rows = await connection.fetch(statement, since, after_id, limit, whose)
    return [_stored(row) for row in rows]


async def mark_cancelled(connection: Connection, order_id: str, *, now: datetime) -> bool:
    """Cancel an order that has not been paid; False when it is too late for that.

    The caller refreshes the order's standing in the same transaction.
    """
    return await connection.fetchval(CANCEL, order_id, now) is not None


def _of(audience: Audience, of_all: str, of_store: str, of_account: str) -> tuple[str, str | None]:
    if audience.store_id is not None:
        return of_store, audience.store_id
    return (of_all, None) if audience.account_id is None else (of_account, audience.account_id)


def _stored(row: asyncpg.Record) -> StoredOrder:
    fields = dict(row)
    fields["status"] = Status(fields["status"])
    fields["required_finality"] = Finality(fields["required_finality"])
    fields["policy_reason"] = PolicyReason(fields["policy_reason"])
    for name in ("amount_due", "amount_received", "amount_owed_back", "amount_refunded"):
        fields[name] = Units(int(fields[name]))
    return StoredOrder(**fields)
