"""An audit's work: the range proven again by many workers, written beside our ledger, compared."""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict

from indexer.audit.compare import Side, find_differences, read_side
from indexer.audit.report import FORMAT, Report
from indexer.backfill_worker import RangeTask
from indexer.ranges_ahead import RangesAhead
from indexer.settings import IndexerSettings
from indexer.source import source_name
from ledger.chain import BlockRef, BrokenBranchError
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.store.contract_events import require_followed
from ledger.store.cursor import ledger_empty, read_cursor
from ledger.store.digests import copy_range, create_schema, drop_schema, schema_name
from ledger.store.pool import Connection
from ledger.store.replay import read_start

Told = Callable[[int, int], None]


async def choose_task(
    connection: Connection,
    settings: IndexerSettings,
    *,
    node: str | None,
    first: int | None = None,
    last: int | None = None,
) -> RangeTask:
    """What to build anew, from `node` or else our first one; see `choose_range`.

    Raises:
        RejectedError: `contracts_differ`, and what `choose_range` raises.
    """
    await require_followed(connection, settings.chain_id, settings.events.addresses)
    first, last = await choose_range(connection, settings.chain_id, first, last)
    return RangeTask(
        node_url=settings.history_url(node),
        chain_id=settings.chain_id,
        token=settings.token_address,
        first=first,
        last=last,
        events=settings.events,
    )


async def choose_range(
    connection: Connection, chain_id: int, first: int | None, last: int | None
) -> tuple[int, int]:
    """The range to audit: by default all that is final, which every sound node has alike.

    Raises:
        RejectedError: `ledger_empty` or `range_unknown`.
    """
    start = await read_start(connection, chain_id)
    cursor = await read_cursor(connection, chain_id)
    if start is None or cursor is None:
        raise ledger_empty()
    first = start if first is None else first
    last = cursor.finalized.number if last is None else last
    if not start <= first <= last <= cursor.tip.number:
        raise RejectedError(
            "range_unknown",
            f"this ledger holds blocks {start} to {cursor.tip.number}, final to "
            f"{cursor.finalized.number}; asked for {first} to {last}",
        )
    return first, last


async def audit_range(
    connection: Connection, executor: Executor, task: RangeTask, *, workers: int, progress: Told
) -> Report:
    """Prove the task's range from its node, and compare our rows with what comes out.

    Raises:
        TransientError: the node does not give the range, or what it gives does not check.
    """
    started_at = time.time()
    schema = schema_name("audit", unix_milliseconds=int(started_at * 1000))
    await create_schema(connection, schema)
    try:
        await build_beside(connection, executor, task, schema, workers=workers, progress=progress)
        theirs = await _side(connection, schema, task)
        ours = await _side(connection, None, task)
        differences = await find_differences(
            connection, schema, chain_id=task.chain_id, ours=ours, theirs=theirs
        )
    finally:
        await drop_schema(connection, schema)
    is_same = ours.tree.digest == theirs.tree.digest
    return Report(
        format=FORMAT,
        verdict="identical" if is_same else "different",
        chain_id=task.chain_id,
        token=to_hex(task.token),
        contracts={name: to_hex(address) for name, address in task.events.addresses.items()},
        node=source_name(task.node_url),
        first_block=task.first,
        last_block=task.last,
        ledger_digest=to_hex(ours.tree.digest),
        node_digest=to_hex(theirs.tree.digest),
        ledger_blocks=ours.blocks,
        node_blocks=theirs.blocks,
        ledger_transfers=ours.transfers,
        node_transfers=theirs.transfers,
        ledger_events=ours.events,
        node_events=theirs.events,
        first_difference=differences[0].block_number if differences else None,
        differences=[asdict(difference) for difference in differences],
        started_at=round(started_at),
        seconds=round(time.time() - started_at, 3),
    )


async def build_beside(
    connection: Connection,
    executor: Executor,
    task: RangeTask,
    schema: str,
    *,
    workers: int,
    progress: Told,
) -> BlockRef:
    """Fill a schema with the range as the task's node proves it, linked from end to end.

    Returns the last block: whoever has that one on their chain has all of the range.
    """
    number, parent_hash = task.first, None
    async with RangesAhead(executor, task, workers) as ahead:
        while number <= task.last:
            blocks = await ahead.next()
            if parent_hash not in {None, blocks.parent_hash}:
                raise BrokenBranchError(
                    f"the node's block {number} does not grow on the one before"
                )
            async with connection.transaction():
                await copy_range(connection, schema, blocks)
            number, parent_hash = blocks.last.number + 1, blocks.last.hash
            progress(number - task.first, task.last - task.first + 1)
    return BlockRef(blocks.last.number, blocks.last.hash)


async def _side(connection: Connection, schema: str | None, task: RangeTask) -> Side:
    return await read_side(
        connection, schema, chain_id=task.chain_id, first=task.first, last=task.last
    )
