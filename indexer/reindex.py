"""Builds all final blocks anew beside the live ledger, compares, and swaps while all goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import structlog

from indexer.audit.compare import Difference, find_differences, read_side
from indexer.audit.work import build_beside
from indexer.backfill_worker import RangeTask
from indexer.sources import NodesDisagreeError
from ledger.chain import BlockRef
from ledger.digest import differing_numbers
from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.store.digests import drop_schema, schema_name
from ledger.store.pool import Connection
from ledger.store.swap import create_successors, index_successors, swap_in, validate_keys

log = structlog.get_logger(__name__)

_SWAP_ATTEMPTS = 10
_SWAP_RETRY_SECONDS = 0.5


class BusyLedgerError(TransientError):
    """Somebody read for so long that the tables could not be exchanged."""


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What was built anew, how it differs, and whether it took the old one's place."""

    first_block: int
    last_block: int
    live_digest: str
    new_digest: str
    different_blocks: int
    differences: list[Difference]
    swapped: bool
    events: int


async def reindex(
    connection: Connection,
    executor: Executor,
    task: RangeTask,
    *,
    workers: int,
    swap: bool,
    progress: Callable[[int, int], None],
    is_backed: Callable[[BlockRef], Awaitable[bool]],
) -> Reindexed:
    """Build the task's range from its node, compare, and with `swap` let it replace the live one.

    Until the exchange nothing live is touched, and afterwards the old tables are dropped. The
    indexer and the oracles go on meanwhile; they wait only for the exchange itself.

    `is_backed` tells whether enough nodes have a block; before a swap it is asked about the last
    one, which all others are linked to.

    Raises:
        NodesDisagreeError: too few nodes have what was built.
        TransientError: the node does not give the range, or readers leave no moment for a swap.
    """
    schema = schema_name("reindex", unix_milliseconds=int(time.time() * 1000))
    await create_successors(connection, schema)
    try:
        last = await build_beside(
            connection, executor, task, schema, workers=workers, progress=progress
        )
        if swap and not await is_backed(last):
            raise NodesDisagreeError(
                f"too few nodes have block {last.number} as the one has that all was built from; "
                "nothing was exchanged: name another one with --node"
            )
        await index_successors(connection, schema)
        sides = [
            await read_side(
                connection, side, chain_id=task.chain_id, first=task.first, last=task.last
            )
            for side in (None, schema)
        ]
        ours, theirs = sides
        differences = await find_differences(
            connection, schema, chain_id=task.chain_id, ours=ours, theirs=theirs
        )
        count = task.last - task.first + 1
        changed = differing_numbers(ours.tree, theirs.tree, limit=count)
        events = await _swap(connection, task, schema, changed) if swap else 0
    finally:
        await drop_schema(connection, schema)
    return Reindexed(
        first_block=task.first,
        last_block=task.last,
        live_digest=to_hex(ours.tree.digest),
        new_digest=to_hex(theirs.tree.digest),
        different_blocks=len(changed),
        differences=differences,
        swapped=swap,
        events=events,
    )


async def _swap(connection: Connection, task: RangeTask, schema: str, changed: list[int]) -> int:
    for _ in range(_SWAP_ATTEMPTS):
        try:
            async with connection.transaction():
                events = await swap_in(
                    connection,
                    task.chain_id,
                    schema,
                    first=task.first,
                    last=task.last,
                    changed=changed,
                    now=datetime.now(UTC),
                )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            log.warning("swap_waits", error=str(error))
            await asyncio.sleep(_SWAP_RETRY_SECONDS)
            continue
        await validate_keys(connection)
        return len(events)
    raise BusyLedgerError("readers left no moment to exchange the tables: try again later")
