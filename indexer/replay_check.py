"""Recomputes history from the node and compares it with what the ledger holds."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from indexer.block_source import BlockSource
from indexer.fetch import fetch_range
from ledger.block import ProvenBlock
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.order import Depths, standing
from ledger.store.contract_events import read_events_by_block
from ledger.store.cursor import ledger_empty, read_cursor
from ledger.store.pool import Connection
from ledger.store.replay import (
    StoredStanding,
    count_inconsistencies,
    find_misclaimed,
    find_refunds_off,
    read_block_hashes,
    read_standings_after,
    read_start,
    read_transfers_by_block,
)

_PAGE_BLOCKS = 256
_PAGE_ORDERS = 1000
_MAX_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What was compared and what differs; `differences` is empty for a sound ledger."""

    first_block: int
    last_block: int
    transfers: int
    orders: int
    differences: tuple[str, ...]


async def replay_check(
    connection: Connection,
    source: BlockSource,
    *,
    chain_id: int,
    first: int | None,
    last: int | None,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> ReplayReport:
    """Fetch and prove `first`..`last` again and compare blocks, transfers, claims and orders.

    The whole check reads one snapshot: open a repeatable-read transaction around it. `progress`
    is told how many blocks of how many are done. At most 20 differences are reported.

    Raises:
        RejectedError: the ledger is empty or does not hold the range.
        TransientError: a block could not be had from the node, or does not check.
    """
    start = await read_start(connection, chain_id)
    cursor = await read_cursor(connection, chain_id)
    if start is None or cursor is None:
        raise ledger_empty()
    first = start if first is None else first
    last = cursor.tip.number if last is None else last
    if not start <= first <= last + 1 or last > cursor.tip.number:
        raise RejectedError(
            "range_unknown", f"this ledger holds blocks {start} to {cursor.tip.number}"
        )
    differences: list[str] = []
    transfers = 0
    for page in range(first, last + 1, _PAGE_BLOCKS):
        end = min(page + _PAGE_BLOCKS - 1, last)
        blocks = fetch_range(source, page, end, concurrency=concurrency)
        found, told = await _compare_page(connection, chain_id, blocks, page, end)
        transfers += found
        differences += told
        progress(end - first + 1, last - first + 1)
    orders = await _compare_orders(connection, chain_id, cursor.depths, differences)
    await _compare_claims(connection, chain_id, differences)
    return ReplayReport(first, last, transfers, orders, tuple(differences[:_MAX_DIFFERENCES]))


async def _compare_page(
    connection: Connection,
    chain_id: int,
    blocks: AsyncIterator[ProvenBlock],
    first: int,
    last: int,
) -> tuple[int, list[str]]:
    """Compare a page; returns how many transfers the node's blocks hold, and what differs."""
    hashes = await read_block_hashes(connection, chain_id, first, last)
    stored = await read_transfers_by_block(connection, chain_id, first, last)
    events = await read_events_by_block(connection, chain_id, first, last)
    transfers, differences = 0, []
    async for block in blocks:
        header = block.header
        transfers += len(block.transfers)
        ours = hashes.get(header.number)
        if ours != header.hash:
            shown = "nothing" if ours is None else to_hex(ours)
            differences.append(
                f"block {header.number}: the ledger holds {shown}, "
                f"the node proves {to_hex(header.hash)}"
            )
        elif stored.get(header.hash, []) != list(block.transfers):
            differences.append(f"block {header.number}: the transfers differ")
        elif events.get(header.hash, []) != list(block.events):
            differences.append(f"block {header.number}: the contract events differ")
    return transfers, differences


async def _compare_orders(
    connection: Connection, chain_id: int, depths: Depths, differences: list[str]
) -> int:
    count, after = 0, ""
    while page := await read_standings_after(connection, chain_id, after, limit=_PAGE_ORDERS):
        count += len(page)
        after = page[-1].order.id
        differences += [told for item in page if (told := _compare_order(item, depths))]
    return count


def _compare_order(item: StoredStanding, depths: Depths) -> str | None:
    expected = standing(item.order, item.payments, depths)
    stored = (item.status, item.amount_received, item.amount_owed_back)
    computed = (expected.status, expected.amount_received, expected.amount_owed_back)
    if stored == computed:
        return None
    return f"order {item.order.id}: stored {item.status}, recomputed {expected.status}"


async def _compare_claims(connection: Connection, chain_id: int, differences: list[str]) -> None:
    for number, log_index in await find_misclaimed(connection, chain_id):
        differences.append(f"block {number}, log {log_index}: not claimed by the order it pays")
    differences += [
        f"refund {refund_id}: status, entries and proofs differ"
        for refund_id in await find_refunds_off(connection, chain_id)
    ]
    for what, count in (await count_inconsistencies(connection, chain_id)).items():
        if count:
            differences.append(f"{count} {what.replace('_', ' ')}")
