"""The cursor: which block the ledger stands on, moved only by whoever knows where it stood."""

from dataclasses import dataclass, replace

import asyncpg

from ledger.chain import BlockRef
from ledger.deployment import Deployment
from ledger.errors import CorruptError, RejectedError, TransientError
from ledger.header import Header
from ledger.order import Depths
from ledger.store.advance import insert_blocks
from ledger.store.pool import Connection

REGISTER = """
INSERT INTO chain (
    chain_id, token, vault_factory, vault_implementation, treasury, start_number,
    tip_number, tip_hash, tip_timestamp, safe_number, finalized_number, finalized_hash
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $7, $7, $8)
ON CONFLICT DO NOTHING
"""

READ_DEPLOYMENT = """
SELECT chain_id, token, vault_factory, vault_implementation, treasury FROM chain
"""

READ = """
SELECT tip_number, tip_hash, tip_timestamp, safe_number, finalized_number, finalized_hash
FROM chain WHERE chain_id = $1
"""

LOCK = READ + " FOR UPDATE"

MOVE = """
UPDATE chain SET
    tip_number = $2, tip_hash = $3, tip_timestamp = $4,
    safe_number = $5, finalized_number = $6, finalized_hash = $7
WHERE chain_id = $1
"""


class TipMovedError(TransientError):
    """Another writer moved the tip first; read it again and decide anew."""


class DeploymentMismatchError(CorruptError):
    """The database is about another chain or other contracts than the settings name."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last applied block and the depths below it; `tip_timestamp` in Unix seconds."""

    tip: BlockRef
    tip_timestamp: int
    safe_number: int
    finalized: BlockRef

    @property
    def depths(self) -> Depths:
        """The depths as the status function wants them."""
        return Depths(self.tip.number, self.tip_timestamp, self.safe_number, self.finalized.number)


async def register(connection: Connection, deployment: Deployment, *, anchor: Header) -> None:
    """Note what this ledger follows; `anchor` is the proven parent of the first block to apply.

    Nothing before the anchor's child is read, and nothing below the anchor can be retracted.

    Raises:
        DeploymentMismatchError: the database follows something else.
    """
    await connection.execute(
        REGISTER,
        deployment.chain_id,
        deployment.token,
        deployment.vault_factory,
        deployment.vault_implementation,
        deployment.treasury,
        anchor.number + 1,
        anchor.number,
        anchor.hash,
        anchor.timestamp,
    )
    await check_deployment(connection, deployment)
    await insert_blocks(connection, deployment.chain_id, [anchor])


async def check_deployment(connection: Connection, deployment: Deployment) -> bool:
    """Whether the ledger is registered at all.

    Raises:
        DeploymentMismatchError: it follows something else than `deployment`.
    """
    rows = await connection.fetch(READ_DEPLOYMENT)
    if any(Deployment(*row) != deployment for row in rows):
        raise DeploymentMismatchError(
            "this database follows another chain or other contracts than the settings name; "
            "use another database, or correct BILLCOIN_CHAIN_ID and the BILLCOIN_*_ADDRESS values"
        )
    return bool(rows)


async def read_cursor(connection: Connection, chain_id: int) -> Cursor | None:
    """Where the ledger stands, or None before it was registered."""
    row = await connection.fetchrow(READ, chain_id)
    return None if row is None else _cursor(row)


async def read_registered_cursor(connection: Connection, chain_id: int) -> Cursor:
    """Where a ledger stands that has just been registered or found so.

    Raises:
        CorruptError: it is not there any more.
    """
    cursor = await read_cursor(connection, chain_id)
    if cursor is None:
        raise CorruptError("the ledger was registered and is not there")
    return cursor


async def require_cursor(connection: Connection, chain_id: int) -> Cursor:
    """Where the ledger stands, for commands that need one.

    Raises:
        RejectedError: `ledger_empty`.
    """
    cursor = await read_cursor(connection, chain_id)
    if cursor is None:
        raise ledger_empty()
    return cursor


def ledger_empty() -> RejectedError:
    """The refusal of a command that finds nothing in the ledger."""
    return RejectedError("ledger_empty", "this ledger is empty: run `billcoin-indexer run`")


async def lock_cursor(connection: Connection, chain_id: int, *, expected_tip: BlockRef) -> Cursor:
    """Lock the cursor until the transaction ends.

    Raises:
        TipMovedError: it no longer stands on `expected_tip`.
    """
    row = await connection.fetchrow(LOCK, chain_id)
    if row is None or row["tip_hash"] != expected_tip.hash:
        raise TipMovedError(f"the ledger no longer stands on block {expected_tip.number}")
    return _cursor(row)


async def move_cursor(connection: Connection, chain_id: int, cursor: Cursor) -> None:
    """Write where the ledger stands now; the caller holds the lock."""
    await connection.execute(
        MOVE,
        chain_id,
        cursor.tip.number,
        cursor.tip.hash,
        cursor.tip_timestamp,
        cursor.safe_number,
        cursor.finalized.number,
        cursor.finalized.hash,
    )


def deepened(cursor: Cursor, *, safe: BlockRef | None, finalized: BlockRef | None) -> Cursor:
    """The cursor with newly learnt depths; neither goes back, nothing passes the tip.

    A node that calls an older block safe only knows less: an order that was released at `safe`
    stays so until its block leaves the chain.
    """
    final = cursor.finalized
    if finalized is not None and final.number < finalized.number <= cursor.tip.number:
        final = finalized
    learnt = cursor.safe_number if safe is None else max(cursor.safe_number, safe.number)
    safe_number = max(min(learnt, cursor.tip.number), final.number)
    return replace(cursor, safe_number=safe_number, finalized=final)


def _cursor(row: asyncpg.Record) -> Cursor:
    return Cursor(
        tip=BlockRef(row["tip_number"], row["tip_hash"]),
        tip_timestamp=row["tip_timestamp"],
        safe_number=row["safe_number"],
        finalized=BlockRef(row["finalized_number"], row["finalized_hash"]),
    )
