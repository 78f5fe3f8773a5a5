"""The block transaction: everything that a block, a reorganisation or new depths change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from ledger.block import ProvenBlock
from ledger.chain import BlockRef, check_switch
from ledger.journal import Event
from ledger.store.advance import (
    claim_transfers,
    insert_blocks,
    insert_events,
    insert_transfers,
)
from ledger.store.consequences import move_on
from ledger.store.cursor import Cursor, deepened, lock_cursor
from ledger.store.pool import Connection
from ledger.store.retract import retract_above

READ_CANONICAL = """
SELECT number, hash, "timestamp" FROM block
WHERE chain_id = $1 AND number = ANY($2::bigint[]) AND canonical
"""

READ_BY_HASH = """
SELECT number, canonical FROM block WHERE chain_id = $1 AND hash = $2
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction is to do: leave our chain at `fork` and follow `branch`.

    A branch that grows on the tip has the tip as its fork; an empty branch there only brings
    new depths. Where `branch` would be too long to hold, `below` gives the blocks between fork and
    `branch` by batches, and is read once; it fetches nothing, for the tip is locked meanwhile.
    """

    expected_tip: BlockRef
    fork: BlockRef
    branch: Sequence[ProvenBlock]
    safe: BlockRef | None = None
    finalized: BlockRef | None = None
    below: Iterable[Sequence[ProvenBlock]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did."""

    cursor: Cursor
    retracted_count: int
    transfer_count: int
    events: Sequence[Event]


async def apply_step(
    connection: Connection, chain_id: int, step: Step, *, now: datetime
) -> Outcome:
    """Apply a step; the caller has opened the transaction and commits it.

    Raises:
        TipMovedError: another writer was first.
        FinalityConflictError: the branch leaves our chain below the finalized block.
        BrokenBranchError: the branch does not link.
    """
    before = await lock_cursor(connection, chain_id, expected_tip=step.expected_tip)
    retracted_count = check_switch(
        tip=before.tip, finalized=before.finalized, fork=step.fork, branch=()
    )
    retracted_above = step.fork.number if retracted_count else None
    affected: set[str] = set()
    if retracted_above is not None:
        affected |= await retract_above(connection, chain_id, retracted_above)
    transfer_count, fork = 0, step.fork
    for blocks in chain(step.below, [step.branch] if step.branch else ()):
        headers = [block.header for block in blocks]
        check_switch(tip=before.tip, finalized=before.finalized, fork=fork, branch=headers)
        fork = BlockRef(headers[-1].number, headers[-1].hash)
        are_new = await insert_blocks(connection, chain_id, headers)
        transfer_count += await insert_transfers(connection, chain_id, blocks, are_new=are_new)
        await insert_events(connection, chain_id, blocks, are_new=are_new)
        affected |= await claim_transfers(connection, chain_id, blocks)
    after = deepened(
        await _cursor_after(connection, chain_id, before, step),
        safe=step.safe,
        finalized=step.finalized,
    )
    events = await move_on(
        connection,
        chain_id,
        affected,
        before=before,
        after=after,
        now=now,
        retracted_above=retracted_above,
    )
    return Outcome(after, retracted_count, transfer_count, events)


async def read_canonical(
    connection: Connection, chain_id: int, numbers: Sequence[int]
) -> dict[int, bytes]:
    """Our canonical block hashes at those of the `numbers` that we have."""
    rows = await connection.fetch(READ_CANONICAL, chain_id, list(numbers))
    return {row["number"]: row["hash"] for row in rows}


async def is_canonical(connection: Connection, chain_id: int, block_hash: bytes) -> bool | None:
    """Whether we hold this block as canonical; None when we have never applied it."""
    row = await connection.fetchrow(READ_BY_HASH, chain_id, block_hash)
    return None if row is None else row["canonical"]


async def _cursor_after(
    connection: Connection, chain_id: int, before: Cursor, step: Step
) -> Cursor:
    if step.branch:
        header = step.branch[-1].header
        tip, timestamp = BlockRef(header.number, header.hash), header.timestamp
    elif step.fork.hash == before.tip.hash:
        return before
    else:
        (row,) = await connection.fetch(READ_CANONICAL, chain_id, [step.fork.number])
        tip, timestamp = step.fork, row["timestamp"]
    # What was safe above the fork has gone; the blocks now at those heights were never called so.
    safe_number = min(before.safe_number, step.fork.number)
    return replace(before, tip=tip, tip_timestamp=timestamp, safe_number=safe_number)
