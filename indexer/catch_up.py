"""Applies history up to near the head: fetched ahead, proved, written in batches."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import structlog

from indexer.block_source import BlockSource
from indexer.rpc import NotThereYetError, retrying
from indexer.sources import NodesDisagreeError
from ledger.block import ProvenBlock
from ledger.chain import BlockRef, FinalityConflictError
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection
from ledger.store.switch import Step, apply_step, read_canonical

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
    """Apply the node's canonical blocks up to `until_number`, every one proven.

    `is_backed` tells whether enough nodes have a block; each batch's last one is asked about, as
    the blocks come from whichever node is the quickest. Without it that node is believed.

    Raises:
        FinalityConflictError: the node's chain does not contain our finalized block.
        BrokenBranchError: the chain changed meanwhile; start again.
        TransientError: too few nodes have a block, or a block could not be had, or does not check.
    """
    fork = await _find_fork(connection, source, cursor, chain_id=chain_id)
    started, logged, first = time.monotonic(), time.monotonic(), fork.number
    async for batch in _batches(source, fork.number + 1, until_number, concurrency):
        last = batch[-1].header
        if is_backed and not await is_backed(BlockRef(last.number, last.hash)):
            raise NodesDisagreeError(f"too few nodes have block {last.number} as it was told us")
        step = Step(expected_tip=cursor.tip, fork=fork, branch=batch)
        async with connection.transaction():
            outcome = await apply_step(connection, chain_id, step, now=datetime.now(UTC))
        cursor = outcome.cursor
        fork = cursor.tip
        if time.monotonic() - logged > _LOG_INTERVAL_SECONDS or fork.number == until_number:
            logged = time.monotonic()
            rate = (fork.number - first) / max(logged - started, 1e-9)
            log.info(
                "catching_up",
                tip=fork.number,
                until=until_number,
                blocks_per_second=round(rate, 1),
                eta_seconds=round((until_number - fork.number) / max(rate, 1e-9), 1),
            )
    return cursor


async def _find_fork(
    connection: Connection, source: BlockSource, cursor: Cursor, *, chain_id: int
) -> BlockRef:
    """Our highest canonical block that is also the node's."""
    number = cursor.tip.number
    while number >= cursor.finalized.number:
        ours = await read_canonical(connection, chain_id, [number])
        theirs = await source.header_by_number(number)
        if ours.get(number) == theirs.hash:
            return BlockRef(number, theirs.hash)
        number -= 1
    raise FinalityConflictError(
        f"the node's chain does not contain our finalized block {cursor.finalized.number} "
        f"(0x{cursor.finalized.hash.hex()})"
    )


async def _batches(
    source: BlockSource, first: int, last: int, concurrency: int
) -> AsyncIterator[list[ProvenBlock]]:
    batch: list[ProvenBlock] = []
    async for block in fetch_range(source, first, last, concurrency=concurrency):
        batch.append(block)
        if len(batch) == BATCH_BLOCKS:
            yield batch
            batch = []
    if batch:
        yield batch


async def fetch_range(
    source: BlockSource, first: int, last: int, *, concurrency: int
) -> AsyncIterator[ProvenBlock]:
    """The node's blocks from `first` to `last` in order, at most `concurrency` fetched ahead."""
    ahead: deque[asyncio.Task[ProvenBlock]] = deque()
    number = first
    try:
        while number <= last or ahead:
            while number <= last and len(ahead) < concurrency:
                ahead.append(asyncio.create_task(_fetch(source, number)))
                number += 1
            yield await ahead[0]
            ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def _fetch(source: BlockSource, number: int) -> ProvenBlock:
    async for attempt in retrying():
        with attempt:
            return await source.block_by_number(number)
    raise NotThereYetError(f"block {number} could not be fetched")
