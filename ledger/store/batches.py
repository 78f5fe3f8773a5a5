"""Reads attested batches with what became of them, and what changed the supply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from ledger.attribution import SupplyChange
from ledger.store.pool import Connection
from ledger.units import Units

_BATCHES = """
SELECT a.block_number, a.block_hash, a.log_index, a.tx_hash, b."timestamp" AS accepted_at,
       a.arguments,
       r.arguments AS recall, r.tx_hash AS recall_tx_hash, r."timestamp" AS recalled_at,
       p.name AS payout, (p.arguments ->> 'amount')::numeric AS payout_amount
FROM contract_event a
JOIN block b ON b.chain_id = a.chain_id AND b.hash = a.block_hash
LEFT JOIN LATERAL (
    SELECT e.arguments, e.tx_hash, rb."timestamp"
    FROM contract_event e JOIN block rb ON rb.chain_id = e.chain_id AND rb.hash = e.block_hash
    WHERE e.chain_id = a.chain_id AND e.canonical AND e.contract = a.contract
        AND e.name = 'BatchRecalled'
        AND e.arguments @> jsonb_build_object(
            'dairy', a.arguments -> 'dairy', 'batch_id', a.arguments -> 'batch_id'
        )
    LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT e.name, e.arguments FROM contract_event e
    WHERE e.chain_id = a.chain_id AND e.block_hash = a.block_hash AND e.tx_hash = a.tx_hash
        AND e.contract = a.contract AND e.name IN ('PayoutPaid', 'PayoutOwed')
        AND e.arguments -> 'cause' = a.arguments -> 'batch_id' AND e.log_index > a.log_index
    ORDER BY e.log_index LIMIT 1
) p ON true
WHERE a.chain_id = $1 AND a.contract = 'minting_module' AND a.name = 'BatchAccepted'
    AND a.canonical
"""

READ = _BATCHES + " AND a.arguments @> jsonb_build_object('dairy', $2::text, 'batch_id', $3::text)"

LIST = (
    _BATCHES
    + """
AND ($2::text IS NULL OR a.arguments @> jsonb_build_object('dairy', $2::text))
AND ($3::bigint IS NULL OR (a.block_number, a.log_index) < ($3, $4::integer))
ORDER BY a.block_number DESC, a.log_index DESC LIMIT $5
"""
)

# Per transaction; the condition is that of the index `transfer_supply`.
SUPPLY = """
WITH moved AS (
    SELECT block_number, tx_index, tx_hash,
           sum(amount) FILTER (WHERE sender = '\\x0000000000000000000000000000000000000000'::bytea)
               AS minted,
           sum(amount) FILTER (
               WHERE recipient = '\\x0000000000000000000000000000000000000000'::bytea
           ) AS burned
    FROM transfer
    WHERE chain_id = $1 AND block_number <= $2 AND canonical
        AND (sender = '\\x0000000000000000000000000000000000000000'::bytea
             OR recipient = '\\x0000000000000000000000000000000000000000'::bytea)
    GROUP BY block_number, tx_index, tx_hash
)
SELECT coalesce(m.minted, 0) AS minted, coalesce(m.burned, 0) AS burned,
       (SELECT jsonb_agg(e.arguments ORDER BY e.log_index) FROM contract_event e
        WHERE e.chain_id = $1 AND e.contract = 'minting_module' AND e.name = 'BatchAccepted'
            AND e.canonical AND e.block_number = m.block_number AND e.tx_hash = m.tx_hash
       ) AS batches
FROM moved m ORDER BY m.block_number, m.tx_index LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """An accepted batch; addresses and ids as 0x-hex, `litres` in base units, times Unix seconds.

    `arguments` are those of its `BatchAccepted`, `recall` those of its `BatchRecalled`, if any.
    """

    block_number: int
    block_hash: bytes
    log_index: int
    tx_hash: bytes
    accepted_at: int
    arguments: dict[str, Any]
    recall: dict[str, Any] | None
    recall_tx_hash: bytes | None
    recalled_at: int | None
    payout: str | None
    payout_amount: int


async def read_batch(
    connection: Connection, chain_id: int, *, dairy: str, batch_id: str
) -> Batch | None:
    """One accepted batch by its dairy and the dairy's id of it, 0x-hex in lower case."""
    row = await connection.fetchrow(READ, chain_id, dairy, batch_id)
    return None if row is None else _batch(row)


async def list_batches(
    connection: Connection,
    chain_id: int,
    *,
    dairy: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> list[Batch]:
    """Accepted batches, newest first, continuing before a place: block number and log index."""
    number, index = before or (None, None)
    rows = await connection.fetch(LIST, chain_id, dairy, number, index, limit)
    return [_batch(row) for row in rows]


async def read_supply_changes(
    connection: Connection, chain_id: int, *, until_number: int, limit: int
) -> list[SupplyChange]:
    """What minted and burned BILL up to a block, transaction by transaction."""
    rows = await connection.fetch(SUPPLY, chain_id, until_number, limit)
    return [
        SupplyChange(
            Units(int(row["minted"])), Units(int(row["burned"])), _minted_for(row["batches"])
        )
        for row in rows
    ]


def batch_key(arguments: dict[str, Any]) -> str:
    """What a batch is called: its dairy and the dairy's own id, for ids are per dairy."""
    return f"bat_{arguments['dairy'][2:]}_{arguments['batch_id'][2:]}"


def _minted_for(batches: list[dict[str, Any]] | None) -> Sequence[tuple[str, Units]]:
    return [(batch_key(item), Units(int(item["litres"]))) for item in batches or ()]


def _batch(row: asyncpg.Record) -> Batch:
    fields = dict(row)
    return Batch(**(fields | {"payout_amount": int(fields["payout_amount"] or 0)}))
