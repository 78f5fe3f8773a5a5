"""Brings the stored status of orders in line with their payments and the chain's depths."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

import asyncpg

from ledger.journal import Event, standing_events
from ledger.loyalty import points_due
from ledger.order import (
    NOTHING,
    Depths,
    Finality,
    Order,
    Payment,
    PolicyReason,
    Standing,
    Status,
    standing,
)
from ledger.store import loyalty
from ledger.store.exposure import Judged, post_exposure, within_exposure
from ledger.store.journal import append_events
from ledger.store.pool import Connection
from ledger.units import Sen, Units

# In the order of their ids, so that two writers never wait for each other in a circle; and without
# locking the key, which a claimed payment's reference holds while its order is being cancelled.
LOCK_ORDERS = """
SELECT id, chain_id, store_id, amount_due, amount_myr, required_finality, policy_reason,
       payer_exposure_limit, store_exposure_limit, expires_at, cancelled_at, paid_at, status,
       amount_repaid, amount_received, amount_owed_back, covering_number, payer, customer
FROM orders WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""

# OFFSET 0 makes it one look-up for each payment. Joined freely, a plan made while the tables were
# empty reads all transfers for every block until the next ANALYZE.
CANONICAL_PAYMENTS = """
SELECT p.order_id, t.*
FROM payment p
JOIN LATERAL (
    SELECT t.block_number, t.block_hash, b."timestamp", t.log_index, t.tx_hash, t.amount, t.sender
    FROM transfer t JOIN block b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
    WHERE t.chain_id = p.chain_id AND t.block_hash = p.block_hash AND t.log_index = p.log_index
        AND t.canonical
    OFFSET 0
) t ON true
WHERE p.order_id = ANY($1::text[])
"""

# Orders that time or depth alone may move: those that newly lie deep enough, those whose expiry
# the tip has passed since, and, after a reorganisation, those whose expiry lies ahead again.
DUE = """
SELECT id FROM orders WHERE chain_id = $1 AND (
    status = 'detected' AND covering_number <= CASE required_finality
        WHEN 'safe' THEN $2::bigint ELSE $3::bigint END
    OR status = 'paid' AND covering_number <= $3::bigint
    OR status = 'awaiting_payment' AND expires_at < $5::bigint
    OR status = 'underpaid' AND expires_at >= least($4::bigint, $5::bigint)
        AND expires_at < greatest($4::bigint, $5::bigint)
    OR status = 'expired' AND expires_at >= $5::bigint
)
"""

# Amounts go as text, which costs the driver a third.
SAVE = """
UPDATE orders AS o SET
    status = new.status,
    amount_received = new.amount_received,
    amount_owed_back = new.amount_owed_back,
    covering_number = new.covering_number,
    payer = new.payer,
    required_finality = new.required_finality,
    policy_reason = new.policy_reason,
    paid_at = CASE WHEN new.status IN ('paid', 'settled') THEN coalesce(o.paid_at, $7)
              ELSE o.paid_at END,
    settled_at = CASE WHEN new.status = 'settled' THEN coalesce(o.settled_at, $7)
                 ELSE o.settled_at END,
    version = new.version
FROM unnest(
    $1::text[], $2::text[], $3::text[]::numeric[], $4::text[]::numeric[], $5::bigint[],
    $6::bigint[], $8::bytea[], $9::text[], $10::text[]
) AS new (
    id, status, amount_received, amount_owed_back, covering_number, version,
    payer, required_finality, policy_reason
)
WHERE o.id = new.id
"""


async def find_due_orders(
    connection: Connection, chain_id: int, depths: Depths, *, tip_timestamp_before: int
) -> set[str]:
    """The ids of orders that new depths or the tip's new time may move."""
    rows = await connection.fetch(
        DUE,
        chain_id,
        depths.safe_number,
        depths.finalized_number,
        tip_timestamp_before,
        depths.tip_timestamp,
    )
    return {row["id"] for row in rows}


async def refresh_standings(
    connection: Connection,
    order_ids: Collection[str],
    depths: Depths,
    *,
    now: datetime,
    retracted_above: int | None = None,
) -> list[Event]:
    """Recompute the orders' standings, save what changed and append the events that tell it.

    After a reorganisation `retracted_above` is its fork's number: a payment that the new branch
    holds at the same height still lies in another block, which the journal has to tell.

    Locks the orders, their customers' loyalty accounts and then the journal, as every writer does.
    """
    if not order_ids:
        return []
    rows = await connection.fetch(LOCK_ORDERS, list(order_ids))
    payments = await read_payments(connection, order_ids)
    judged = [_judge(row, payments[row["id"]], depths) for row in rows]
    changes: list[tuple[Judged, list[Event]]] = []
    for one in await within_exposure(connection, judged, depths):
        if _differs(one.row, one.after) or _has_moved(one.row, one.after, retracted_above):
            events = standing_events(one.order, Status(one.row["status"]), one.after)
            changes.append((one, events))
    settlement = await loyalty.settle(connection, _credits(one for one, _ in changes))
    events = [event for _, told in changes for event in told]
    numbers = await append_events(connection, events + settlement.events, now=now)
    await _save(connection, changes, numbers, now)
    if numbers:
        await post_exposure(connection, [one for one, _ in changes], seq=numbers[-1])
    await loyalty.post(connection, settlement, numbers[len(events) :], now=now)
    return events + settlement.events


async def read_payments(
    connection: Connection, order_ids: Collection[str]
) -> Mapping[str, Sequence[Payment]]:
    """The canonical payments of each order."""
    payments: defaultdict[str, list[Payment]] = defaultdict(list)
    for row in await connection.fetch(CANONICAL_PAYMENTS, list(order_ids)):
        payments[row["order_id"]].append(read_payment(row))
    return payments


def read_payment(row: asyncpg.Record) -> Payment:
    """A payment out of a row that joins transfer and block."""
    return Payment(
        block_number=row["block_number"],
        block_hash=row["block_hash"],
        block_timestamp=row["timestamp"],
        log_index=row["log_index"],
        tx_hash=row["tx_hash"],
        amount=Units(int(row["amount"])),
        sender=row["sender"],
    )


def read_order(
    row: asyncpg.Record,
    *,
    policy_reason: PolicyReason = PolicyReason.AMOUNT,
    repaid: Units = NOTHING,
) -> Order:
    """What the status depends on, out of a row of `orders`; not every row has what is named."""
    return Order(
        id=row["id"],
        amount_due=Units(int(row["amount_due"])),
        amount_myr=Sen(row["amount_myr"]),
        required_finality=Finality(row["required_finality"]),
        expires_at=row["expires_at"],
        is_cancelled=row["cancelled_at"] is not None,
        was_paid=row["paid_at"] is not None,
        policy_reason=policy_reason,
        repaid=repaid,
    )


def _judge(row: asyncpg.Record, payments: Sequence[Payment], depths: Depths) -> Judged:
    order = read_order(
        row,
        policy_reason=PolicyReason(row["policy_reason"]),
        repaid=Units(int(row["amount_repaid"])),
    )
    return Judged(row, order, payments, standing(order, payments, depths))


def _credits(changed: Iterable[Judged]) -> dict[str, loyalty.Credit]:
    """What the changed orders are worth to their customers; most orders have none."""
    return {
        one.order.id: loyalty.Credit(customer, points_due(one.after.status))
        for one in changed
        if (customer := one.row["customer"]) is not None
    }


def _differs(row: asyncpg.Record, after: Standing) -> bool:
    stored = (row["status"], row["amount_received"], row["amount_owed_back"])
    computed = (after.status, after.amount_received, after.amount_owed_back)
    return stored != computed or row["covering_number"] != _covering_number(after)


def _has_moved(row: asyncpg.Record, after: Standing, retracted_above: int | None) -> bool:
    """Whether a reorganisation has put the decisive payment into another block."""
    before: int | None = row["covering_number"]
    now = _covering_number(after)
    if retracted_above is None or before is None or now is None:
        return False
    return min(before, now) > retracted_above


def _covering_number(after: Standing) -> int | None:
    return None if after.covering is None else after.covering.block_number


async def _save(
    connection: Connection,
    changes: Sequence[tuple[Judged, list[Event]]],
    numbers: Sequence[int],
    now: datetime,
) -> None:
    if not changes:
        return
    last_told = accumulate(len(told) for _, told in changes)
    await connection.execute(
        SAVE,
        [told[-1].order_id for _, told in changes],
        [str(one.after.status) for one, _ in changes],
        [str(one.after.amount_received) for one, _ in changes],
        [str(one.after.amount_owed_back) for one, _ in changes],
        [_covering_number(one.after) for one, _ in changes],
        [numbers[count - 1] for count in last_told],
        now,
        [one.after.covering and one.after.covering.sender for one, _ in changes],
        [str(one.order.required_finality) for one, _ in changes],
        [str(one.order.policy_reason) for one, _ in changes],
    )
