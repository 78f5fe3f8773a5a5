"""Reads stored history back, for comparing it with a recomputation."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from ledger.order import Order, Payment, Status
from ledger.store.loyalty_books import count_loyalty_faults
from ledger.store.pool import Connection
from ledger.store.standings import read_order, read_payments
from ledger.transfer import Transfer
from ledger.units import Units

BLOCKS = """
SELECT number, hash FROM block
WHERE chain_id = $1 AND number BETWEEN $2 AND $3 AND canonical ORDER BY number
"""

TRANSFERS = """
SELECT t.block_hash, t.log_index, t.tx_index, t.tx_hash, t.sender, t.recipient, t.amount
FROM block b JOIN transfer t ON t.chain_id = b.chain_id AND t.block_hash = b.hash
WHERE b.chain_id = $1 AND b.number BETWEEN $2 AND $3 AND b.canonical AND t.canonical
ORDER BY b.number, t.log_index
"""

MISCLAIMED = """
SELECT t.block_number, t.log_index
FROM transfer t
JOIN orders o ON o.chain_id = t.chain_id AND o.address = t.recipient
LEFT JOIN payment p
    ON (p.chain_id, p.block_hash, p.log_index) = (t.chain_id, t.block_hash, t.log_index)
WHERE t.chain_id = $1 AND t.canonical AND p.order_id IS DISTINCT FROM o.id
ORDER BY t.block_number, t.log_index LIMIT 10
"""

ORDERS_PAGE = """
SELECT id, amount_due, amount_myr, required_finality, expires_at, cancelled_at, paid_at, status,
       amount_received, amount_owed_back, amount_repaid
FROM orders WHERE chain_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""

STRAY_CANONICAL = """
SELECT count(*) FROM transfer t
LEFT JOIN block b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
WHERE t.chain_id = $1 AND t.canonical IS DISTINCT FROM b.canonical
"""

STRAY_EVENTS = """
SELECT count(*) FROM contract_event e
LEFT JOIN block b ON b.chain_id = e.chain_id AND b.hash = e.block_hash
WHERE e.chain_id = $1 AND e.canonical IS DISTINCT FROM b.canonical
"""

JOURNAL_GAPS = """
SELECT j.last_seq - count(e.seq) + greatest(coalesce(max(e.seq), 0) - j.last_seq, 0)
FROM journal j LEFT JOIN event e ON true GROUP BY j.last_seq
"""

# What the entries sum up to above the finalized block, against what the orders themselves say.
EXPOSURES_OFF = """
SELECT count(*) FROM (
    SELECT e.scope, e.subject, sum(e.amount_myr) AS posted
    FROM exposure_entry e JOIN chain c ON c.chain_id = e.chain_id
    WHERE e.chain_id = $1 AND e.number > c.finalized_number GROUP BY e.scope, e.subject
) books
FULL JOIN (
    SELECT place.scope, place.subject, sum(o.amount_myr) AS exposed
    FROM orders o
    JOIN chain c ON c.chain_id = o.chain_id
    CROSS JOIN LATERAL (
        VALUES ('payer', o.payer), ('store', convert_to(o.store_id, 'UTF8'))
    ) AS place (scope, subject)
    WHERE o.chain_id = $1 AND o.status = 'paid' AND o.required_finality = 'included'
        AND o.payer IS NOT NULL AND o.covering_number > c.finalized_number
    GROUP BY place.scope, place.subject
) now USING (scope, subject)
WHERE coalesce(posted, 0) <> coalesce(exposed, 0)
"""

START = "SELECT start_number FROM chain WHERE chain_id = $1"


# Where the entries of each refund leave its amount, against where its status says that it is; and
# what the claims prove, against the same.
REFUNDS_OFF = """
SELECT r.id FROM refund r
LEFT JOIN LATERAL (
    SELECT coalesce(sum(CASE WHEN e.credit = 'treasury' THEN e.amount
                             WHEN e.debit = 'treasury' THEN -e.amount END), 0) AS gone,
           coalesce(sum(CASE WHEN e.credit = 'promised' THEN e.amount
                             WHEN e.debit = 'promised' THEN -e.amount END), 0) AS promised
    FROM refund_entry e WHERE e.refund_id = r.id
) books ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS proofs, count(*) FILTER (
        WHERE t.sender = c.treasury AND t.recipient = r.recipient AND t.amount = r.amount
            AND t.block_number > r.since_number
    ) AS right_proofs
    FROM refund_claim k
    JOIN transfer t USING (chain_id, block_hash, log_index)
    JOIN chain c ON c.chain_id = t.chain_id
    WHERE k.refund_id = r.id AND t.canonical
) chain ON true
WHERE r.chain_id = $1 AND (
    chain.proofs <> (r.status IN ('verified', 'settled'))::integer
    OR chain.proofs <> chain.right_proofs
    OR books.gone <> CASE WHEN r.status IN ('verified', 'settled') THEN r.amount ELSE 0 END
    OR books.promised <> CASE WHEN r.status IN ('requested', 'sent', 'mismatched', 'reversed')
                         THEN r.amount ELSE 0 END
)
ORDER BY r.id LIMIT 10
"""


@dataclass(frozen=True, slots=True)
class StoredStanding:
    """An order, its canonical payments, and what was stored as following from them."""

    order: Order
    payments: Sequence[Payment]
    status: Status
    amount_received: Units
    amount_owed_back: Units


async def read_start(connection: Connection, chain_id: int) -> int | None:
    """The number of the first block that this ledger reads; None before it was registered."""
    start: int | None = await connection.fetchval(START, chain_id)
    return start


async def read_block_hashes(
    connection: Connection, chain_id: int, first: int, last: int
) -> dict[int, bytes]:
    """The canonical block hashes of a range, by number."""
    rows = await connection.fetch(BLOCKS, chain_id, first, last)
    return {row["number"]: row["hash"] for row in rows}


async def read_transfers_by_block(
    connection: Connection, chain_id: int, first: int, last: int
) -> dict[bytes, list[Transfer]]:
    """The canonical transfers of a range, by block hash."""
    found: dict[bytes, list[Transfer]] = {}
    for row in await connection.fetch(TRANSFERS, chain_id, first, last):
        found.setdefault(row["block_hash"], []).append(_transfer(row))
    return found


async def read_standings_after(
    connection: Connection, chain_id: int, order_id: str, *, limit: int
) -> list[StoredStanding]:
    """Orders whose ids follow `order_id`, with their payments and stored standing."""
    rows = await connection.fetch(ORDERS_PAGE, chain_id, order_id, limit)
    payments = await read_payments(connection, [row["id"] for row in rows])
    return [
        StoredStanding(
            order=read_order(row, repaid=Units(int(row["amount_repaid"]))),
            payments=payments[row["id"]],
            status=Status(row["status"]),
            amount_received=Units(int(row["amount_received"])),
            amount_owed_back=Units(int(row["amount_owed_back"])),
        )
        for row in rows
    ]


async def find_misclaimed(connection: Connection, chain_id: int) -> list[tuple[int, int]]:
    """Canonical transfers to an order that no or another order claims: (block, log index)."""
    return [tuple(row) for row in await connection.fetch(MISCLAIMED, chain_id)]


async def find_refunds_off(connection: Connection, chain_id: int) -> list[str]:
    """The ids of refunds whose status, entries and proofs do not say the same."""
    return [row["id"] for row in await connection.fetch(REFUNDS_OFF, chain_id)]


async def count_inconsistencies(connection: Connection, chain_id: int) -> dict[str, int]:
    """How many rows break what must always hold within the database; all 0 in a sound ledger."""
    return {
        "transfers_unlike_their_block": await connection.fetchval(STRAY_CANONICAL, chain_id),
        "contract_events_unlike_their_block": await connection.fetchval(STRAY_EVENTS, chain_id),
        "journal_gaps": await connection.fetchval(JOURNAL_GAPS),
        "exposures_unlike_the_orders": await connection.fetchval(EXPOSURES_OFF, chain_id),
        **await count_loyalty_faults(connection),
    }


def _transfer(row: asyncpg.Record) -> Transfer:
    return Transfer(
        log_index=row["log_index"],
        tx_index=row["tx_index"],
        tx_hash=row["tx_hash"],
        sender=row["sender"],
        recipient=row["recipient"],
        amount=Units(int(row["amount"])),
    )
