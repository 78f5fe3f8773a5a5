"""Applies history up to near the head: fetched ahead, proved, written in batches."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from indexer.block_source import BlockSource
from indexer.fetch import fetch_range, in_batches
from indexer.sources import NodesDisagreeError
from ledger.chain import BlockRef
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection
from ledger.store.switch import Step, apply_step

log = structlog.get_logger(__name__)

BATCH_BLOCKS = 64
_LOG_INTERVAL_SECONDS = 5.0


async def catch_up(
    connection: Connection,
    source: BlockSource,
    cursor: Cursor,
    *,
    chain_id: int,
    until_number: int,
    concurrency: int,
    is_backed: Callable[[BlockRef], Awaitable[bool]] | None = None,
) -> Cursor:
    """Apply the node's canonical blocks above our tip up to `until_number`, every one proven.

    It only grows: what does not stand on our tip is refused, and nothing is ever retracted here.

    `is_backed` tells whether enough nodes have a block; each batch's last one is asked about, as
    the blocks come from whichever node is the quickest. Without it that node is believed.

    Raises:
        BrokenBranchError: our tip is not on the node's chain, or the chain changed meanwhile.
        TransientError: too few nodes have a block, or a block could not be had, or does not check.
    """
    started, logged, first = time.monotonic(), time.monotonic(), cursor.tip.number
    blocks = fetch_range(source, first + 1, until_number, concurrency=concurrency)
    async for batch in in_batches(blocks, BATCH_BLOCKS):
        last = batch[-1].header
        if is_backed and not await is_backed(BlockRef(last.number, last.hash)):
            raise NodesDisagreeError(f"too few nodes have block {last.number} as it was told us")
        step = Step(expected_tip=cursor.tip, fork=cursor.tip, branch=batch)
        async with connection.transaction():
            outcome = await apply_step(connection, chain_id, step, now=datetime.now(UTC))
        cursor = outcome.cursor
        reached = cursor.tip.number
        if time.monotonic() - logged > _LOG_INTERVAL_SECONDS or reached == until_number:
            logged = time.monotonic()
            rate = (reached - first) / max(logged - started, 1e-9)
            log.info(
                "catching_up",
                tip=reached,
                until=until_number,
                blocks_per_second=round(rate, 1),
                eta_seconds=round((until_number - reached) / max(rate, 1e-9), 1),
            )
    return cursor
