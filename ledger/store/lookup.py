"""Everything that a verdict rests on, read in one statement and so at one instant."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from ledger.confidence import Observation
from ledger.order import Depths, Order, Payment
from ledger.store.pool import Connection
from ledger.store.standings import read_order, read_payment
from ledger.verdict import Candidate, Sighting
from ledger.verification import Verification

EVIDENCE = """
SELECT asked.tx_hash AS asked,
       c.tip_number, c.tip_hash, c.tip_timestamp, c.safe_number, c.finalized_number,
       v.head_number, v.nodes_agreeing, v.nodes_asked,
       extract(epoch FROM v.checked_at)::float8 AS checked_at, v.halt_code, v.halt_reason,
       v.verification,
       seen.is_canonical, seen.was_retracted,
       o.id, o.amount_due, o.amount_myr, o.required_finality, o.expires_at, o.cancelled_at,
       o.paid_at,
       paid.block_number, paid.block_hash, paid."timestamp", paid.log_index, paid.tx_hash,
       paid.amount, paid.sender
FROM chain c
LEFT JOIN observation v ON v.chain_id = c.chain_id
CROSS JOIN unnest($2::bytea[]) AS asked (tx_hash)
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(t.canonical), false) AS is_canonical,
           coalesce(bool_or(NOT t.canonical), false) AS was_retracted
    FROM transfer t WHERE t.chain_id = c.chain_id AND t.tx_hash = asked.tx_hash
) seen
LEFT JOIN LATERAL (
    SELECT DISTINCT p.order_id
    FROM transfer t JOIN payment p USING (chain_id, block_hash, log_index)
    WHERE t.chain_id = c.chain_id AND t.tx_hash = asked.tx_hash AND t.canonical
) claim ON true
LEFT JOIN orders o ON o.id = claim.order_id
LEFT JOIN LATERAL (
    SELECT t.block_number, t.block_hash, b."timestamp", t.log_index, t.tx_hash, t.amount,
           t.sender
    FROM payment p
    JOIN transfer t USING (chain_id, block_hash, log_index)
    JOIN block b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
    WHERE p.order_id = o.id AND t.canonical
) paid ON true
WHERE c.chain_id = $1
"""

LOOK_UP_ROW_BY_ROW = """
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off
"""

ORDER_EXISTS = "SELECT true FROM orders WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A snapshot of the ledger about one transaction."""

    depths: Depths
    tip_hash: bytes
    observation: Observation | None
    sighting: Sighting


async def read_evidence(connection: Connection, chain_id: int, tx_hash: bytes) -> Evidence | None:
    """What the ledger holds about a transaction; None before the ledger was registered."""
    return (await read_evidences(connection, chain_id, [tx_hash])).get(tx_hash)


async def read_evidences(
    connection: Connection, chain_id: int, tx_hashes: Collection[bytes]
) -> dict[bytes, Evidence]:
    """What the ledger holds about each of the distinct transactions, at one instant.

    Empty before the ledger was registered.
    """
    rows_of: defaultdict[bytes, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch(EVIDENCE, chain_id, tx_hashes):
        rows_of[row["asked"]].append(row)
    return {tx_hash: _evidence(rows) for tx_hash, rows in rows_of.items()}


async def prefer_indexes(connection: Connection) -> None:
    """Make this connection look up row by row over indexes, whatever the tables' sizes.

    A plan that was cached while the tables were small would else read them from end to end, for
    as long as the connection lives.
    """
    await connection.execute(LOOK_UP_ROW_BY_ROW)


async def order_exists(connection: Connection, order_id: str) -> bool:
    """Whether there is such an order."""
    return await connection.fetchval(ORDER_EXISTS, order_id) is not None


def _evidence(rows: list[asyncpg.Record]) -> Evidence:
    first = rows[0]
    return Evidence(
        depths=Depths(
            first["tip_number"],
            first["tip_timestamp"],
            first["safe_number"],
            first["finalized_number"],
        ),
        tip_hash=first["tip_hash"],
        observation=_observation(first),
        sighting=Sighting(first["is_canonical"], first["was_retracted"], _candidates(rows)),
    )


def _observation(row: asyncpg.Record) -> Observation | None:
    if row["checked_at"] is None:
        return None
    return Observation(
        head_number=row["head_number"],
        nodes_agreeing=row["nodes_agreeing"],
        nodes_asked=row["nodes_asked"],
        checked_at=row["checked_at"],
        halt_code=row["halt_code"],
        halt_reason=row["halt_reason"],
        verification=Verification(row["verification"]),
    )


def _candidates(rows: list[asyncpg.Record]) -> tuple[Candidate, ...]:
    orders: dict[str, tuple[Order, list[Payment]]] = {}
    for row in rows:
        if row["id"] is None:
            continue
        _, payments = orders.setdefault(row["id"], (read_order(row), []))
        payments.append(read_payment(row))
    return tuple(Candidate(order, tuple(payments)) for order, payments in orders.values())
