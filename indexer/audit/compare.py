"""Compares two schemas' rows of a range by their Merkle digests, then row by row."""

from dataclasses import dataclass
from typing import Any

from ledger.digest import MISSING, DigestTree, block_digest, differing_numbers
from ledger.json_hex import to_hex
from ledger.store.digests import BlockRows, looking_into, read_rows
from ledger.store.pool import Connection

MAX_TOLD_BLOCKS = 20


@dataclass(frozen=True, slots=True)
class Side:
    """One ledger of a range; the numbers are how many it holds."""

    tree: DigestTree
    blocks: int
    transfers: int
    events: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that only one side has; `side` is `ledger` or `node`."""

    block_number: int
    side: str
    table: str
    row: dict[str, Any]


async def read_side(
    connection: Connection, schema: str | None, *, chain_id: int, first: int, last: int
) -> Side:
    """Digest a range as the rows tell it."""
    leaves = [MISSING] * (last - first + 1)
    blocks = transfers = events = 0
    async with looking_into(connection, schema):
        async for rows in read_rows(connection, chain_id, first, last):
            leaves[rows.header.number - first] = block_digest(
                rows.header, rows.transfers, rows.events
            )
            blocks += 1
            transfers += len(rows.transfers)
            events += len(rows.events)
    return Side(DigestTree(first, tuple(leaves)), blocks, transfers, events)


async def find_differences(
    connection: Connection, schema: str, *, chain_id: int, ours: Side, theirs: Side
) -> list[Difference]:
    """The exact rows that differ, in the first blocks that do."""
    found: list[Difference] = []
    for number in differing_numbers(ours.tree, theirs.tree, limit=MAX_TOLD_BLOCKS):
        mine = await _rows_of(connection, None, chain_id, number)
        other = await _rows_of(connection, schema, chain_id, number)
        for side, rows, against in (("ledger", mine, other), ("node", other, mine)):
            found += [
                Difference(number, side, table, row)
                for table, row in rows
                if (table, row) not in against
            ]
    return found


async def _rows_of(
    connection: Connection, schema: str | None, chain_id: int, number: int
) -> list[tuple[str, dict[str, Any]]]:
    async with looking_into(connection, schema):
        return [
            row
            async for block in read_rows(connection, chain_id, number, number)
            for row in _shown(block)
        ]


def _shown(rows: BlockRows) -> list[tuple[str, dict[str, Any]]]:
    header = rows.header
    block = {
        "number": header.number,
        "hash": to_hex(header.hash),
        "parentHash": to_hex(header.parent_hash),
        "timestamp": header.timestamp,
        "transactionsRoot": to_hex(header.transactions_root),
        "receiptsRoot": to_hex(header.receipts_root),
    }
    transfers = [
        {
            "logIndex": transfer.log_index,
            "txIndex": transfer.tx_index,
            "txHash": to_hex(transfer.tx_hash),
            "sender": to_hex(transfer.sender),
            "recipient": to_hex(transfer.recipient),
            "amountUnits": str(transfer.amount),
        }
        for transfer in rows.transfers
    ]
    events = [
        {
            "logIndex": event.log_index,
            "txIndex": event.tx_index,
            "txHash": to_hex(event.tx_hash),
            "contract": event.contract,
            "name": event.name,
            "arguments": event.arguments,
        }
        for event in rows.events
    ]
    return [
        ("block", block),
        *(("transfer", transfer) for transfer in transfers),
        *(("contract_event", event) for event in events),
    ]
