"""The relayer's nonces, and every transaction that was signed for them, before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

from ledger.store.pool import Connection

# The row stays locked until the transaction ends: whoever signs next waits for this one.
TAKE_NONCE = """
INSERT INTO relayer AS r (chain_id, address, next_nonce) VALUES ($1, $2, $3 + 1)
ON CONFLICT (chain_id, address) DO UPDATE SET next_nonce = greatest(r.next_nonce, $3) + 1
RETURNING next_nonce - 1
"""

LOCK = "SELECT next_nonce FROM relayer WHERE chain_id = $1 AND address = $2 FOR UPDATE"

NEXT = "SELECT next_nonce FROM relayer WHERE chain_id = $1 AND address = $2"

INSERT = """
INSERT INTO relay_transaction (
    chain_id, tx_hash, relayer, tx_nonce, submission_id, raw, gas_limit, max_fee_wei, tip_wei,
    signed_number, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_COLUMNS = """
    chain_id, tx_hash, relayer, tx_nonce, submission_id, raw, gas_limit, max_fee_wei, tip_wei,
    signed_number, created_at
"""

# A replacement always offers more, so the newest of a nonce is the one that offers most.
NEWEST = f"""
SELECT DISTINCT ON (tx_nonce) {_COLUMNS} FROM relay_transaction
WHERE chain_id = $1 AND relayer = $2 AND tx_nonce >= $3
ORDER BY tx_nonce, max_fee_wei DESC LIMIT $4
"""  # noqa: S608 - our own column names

OF_SUBMISSIONS = f"""
SELECT {_COLUMNS} FROM relay_transaction WHERE submission_id = ANY($1::text[])
ORDER BY tx_nonce DESC, max_fee_wei DESC
"""  # noqa: S608 - our own column names


@dataclass(frozen=True, slots=True)
class RelayTransaction:
    """A signed transaction; one without a submission only fills a nonce. Fees are per gas."""

    chain_id: int
    tx_hash: bytes
    relayer: bytes
    tx_nonce: int
    submission_id: str | None
    raw: bytes
    gas_limit: int
    max_fee_wei: int
    tip_wei: int
    signed_number: int
    """The head when it was signed: from there on it waits for a block."""
    created_at: datetime

    @property
    def promised_wei(self) -> int:
        """What it can cost at the most."""
        return self.gas_limit * self.max_fee_wei


async def take_nonce(
    connection: Connection, chain_id: int, relayer: bytes, *, pending_count: int
) -> int:
    """The next nonce; at least `pending_count`, which the node knows of.

    The caller writes the transaction for it in the same transaction of the database, so that
    no nonce is taken without one.
    """
    nonce: int = await connection.fetchval(TAKE_NONCE, chain_id, relayer, pending_count)
    return nonce


async def lock_relayer(connection: Connection, chain_id: int, relayer: bytes) -> int:
    """Let nobody else sign until the transaction ends; the next nonce, 0 of a new relayer."""
    return await connection.fetchval(LOCK, chain_id, relayer) or 0


async def read_next_nonce(connection: Connection, chain_id: int, relayer: bytes) -> int:
    """The next nonce, 0 of a relayer that never signed."""
    return await connection.fetchval(NEXT, chain_id, relayer) or 0


async def insert_transaction(connection: Connection, new: RelayTransaction) -> None:
    """Write a signed transaction down; only then may it be sent."""
    await connection.execute(
        INSERT,
        *(new.chain_id, new.tx_hash, new.relayer, new.tx_nonce, new.submission_id, new.raw),
        *(new.gas_limit, Decimal(new.max_fee_wei), Decimal(new.tip_wei), new.signed_number),
        new.created_at,
    )


async def newest_by_nonce(
    connection: Connection, chain_id: int, relayer: bytes, *, first_nonce: int, limit: int
) -> dict[int, RelayTransaction]:
    """The newest transaction of each nonce from `first_nonce` on."""
    rows = await connection.fetch(NEWEST, chain_id, relayer, first_nonce, limit)
    return {row["tx_nonce"]: _stored(row) for row in rows}


async def transactions_of(
    connection: Connection, submission_ids: Sequence[str]
) -> dict[str, list[RelayTransaction]]:
    """Every transaction of these submissions, the newest first."""
    found: dict[str, list[RelayTransaction]] = {one: [] for one in submission_ids}
    for row in await connection.fetch(OF_SUBMISSIONS, list(submission_ids)):
        found[row["submission_id"]].append(_stored(row))
    return found


def _stored(row: asyncpg.Record) -> RelayTransaction:
    fields: dict[str, Any] = dict(row)
    for name in ("max_fee_wei", "tip_wei"):
        fields[name] = int(fields[name])
    return RelayTransaction(**fields)
