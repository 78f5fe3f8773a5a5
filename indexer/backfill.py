"""Applies long history: worker processes prove ranges ahead, one connection writes them in order.

docs/adr/0005-backfill.md says why it is built so.
"""

import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from multiprocessing import get_context

from indexer.backfill_worker import RangeTask, enter_worker
from indexer.ranges_ahead import RangesAhead
from indexer.sources import NodesDisagreeError
from ledger.chain import BlockRef
from ledger.store.bulk import apply_range
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection

# One more than two processors, since one of them always waits for the node.
DEFAULT_WORKERS = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill has come."""

    blocks_done: int
    blocks_total: int
    transfers: int
    seconds: float
    cursor: Cursor


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """Worker processes for the length of the block; they start with the first range."""
    main = sys.modules["__main__"]
    if getattr(main, "__spec__", None) is None:
        # A spawned process would run the whole command's script again, which costs each a second;
        # it imports what it runs by itself, and knows a package's main by this name.
        main.__spec__ = ModuleSpec("indexer.__main__", None)
    context = get_context("forkserver")
    context.set_forkserver_preload(["indexer.backfill_worker"])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=enter_worker)
    try:
        yield pool
    finally:
        # Not waited for: the caller may hold a session that must be heard of every second.
        pool.shutdown(wait=False, cancel_futures=True)


async def backfill_until(
    connection: Connection,
    executor: Executor,
    cursor: Cursor,
    *,
    task: RangeTask,
    workers: int,
    is_backed: Callable[[BlockRef], Awaitable[bool]] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Cursor:
    """Apply the blocks from the tip's child up to `task.last`, every one proven.

    Whatever was committed when this stops, killed or not, is a ledger that stands on its tip:
    the next call, or the follower, goes on from there.

    `is_backed` tells whether enough nodes have a block; each range's last one is asked about, as
    the ranges come from a single node. Without it that node is believed.

    Raises:
        BrokenBranchError: the tip is not on the node's chain, or the chain changed meanwhile.
        TipMovedError: another writer was first.
        UnprovenError: the node's answers do not check, time and again.
        TransientError: a range could not be had.
    """
    started, transfers, first = time.monotonic(), 0, cursor.tip.number
    task = replace(task, first=first + 1)
    async with RangesAhead(executor, task, workers) as ahead:
        while cursor.tip.number < task.last:
            blocks = await ahead.next()
            last = BlockRef(blocks.last.number, blocks.last.hash)
            if is_backed and not await is_backed(last):
                raise NodesDisagreeError(
                    f"too few nodes have block {last.number} as it was told us"
                )
            async with connection.transaction():
                outcome = await apply_range(
                    connection,
                    task.chain_id,
                    blocks,
                    expected_tip=cursor.tip,
                    now=datetime.now(UTC),
                )
            cursor = outcome.cursor
            transfers += outcome.transfer_count
            progress(
                Progress(
                    cursor.tip.number - first,
                    task.last - first,
                    transfers,
                    time.monotonic() - started,
                    cursor,
                )
            )
    return cursor
