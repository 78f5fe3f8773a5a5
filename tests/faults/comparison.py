"""Compares what the database holds with the naive ledger; says every difference it finds."""

from dataclasses import dataclass, field
from typing import Any

from naive_ledger import NaiveLedger, NaiveOrder

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import ChainModel
from ledger.json_hex import to_hex
from ledger.store.pool import Connection
from ledger.units import format_bill

BLOCKS = "SELECT hash, number, parent_hash, timestamp, canonical FROM block ORDER BY number"

TRANSFERS = """
SELECT block_hash, log_index, tx_index, tx_hash, sender, recipient, amount, block_number, canonical
FROM transfer ORDER BY block_hash, log_index
"""

CLAIMS = "SELECT block_hash, log_index, order_id FROM payment"

ORDERS = """
SELECT id, status, amount_received, amount_owed_back, covering_number, paid_at IS NOT NULL,
       cancelled_at IS NOT NULL, version
FROM orders ORDER BY id
"""

ACCOUNTS = "SELECT customer, points, coupons_made FROM loyalty_account"

COUPONS = "SELECT customer, number, status, order_id FROM coupon ORDER BY customer, number"

POSTED = """
SELECT order_id, customer, sum(CASE credit WHEN 'customer' THEN points ELSE -points END) AS points
FROM posting WHERE kind IN ('earn', 'reverse') GROUP BY order_id, customer
"""

POSTINGS = "SELECT count(*) FROM posting"

EVENTS = "SELECT seq, type, order_id, data FROM event ORDER BY seq"


@dataclass
class Differences:
    """What was found to differ, in words."""

    found: list[str] = field(default_factory=list)

    def unless(self, holds: bool, told: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not holds:
            self.found.append(told)


async def compare(connection: Connection, naive: NaiveLedger) -> list[str]:
    """Every difference between the database and what it must hold; empty when there is none."""
    differences = Differences(list(naive.faults))
    await _compare_blocks(connection, naive, differences)
    await _compare_transfers(connection, naive, differences)
    await _compare_orders(connection, naive, differences)
    await _compare_events(connection, naive, differences)
    await _compare_loyalty(connection, naive, differences)
    return differences.found


async def _compare_blocks(
    connection: Connection, naive: NaiveLedger, differences: Differences
) -> None:
    rows = await connection.fetch(BLOCKS)
    for row in rows:
        block = _made(naive.model, row["hash"])
        differences.unless(
            block is not None
            and (block.number, block.parent_hash, block.timestamp)
            == (row["number"], row["parent_hash"], row["timestamp"]),
            f"block {row['number']} {to_hex(row['hash'])} was never made by the chain",
        )
    stored = [row["hash"] for row in rows if row["canonical"]]
    differences.unless(
        stored == [block.hash for block in naive.chain[-len(stored) :]],
        f"the canonical blocks are not the {len(stored)} up to {naive.chain[-1].number}",
    )
    for name, number in (("safe", naive.safe_number), ("finalized", naive.finalized_number)):
        differences.unless(
            number in {row["number"] for row in rows if row["canonical"]},
            f"the {name} block {number} is none of ours",
        )


async def _compare_transfers(
    connection: Connection, naive: NaiveLedger, differences: Differences
) -> None:
    claims = {(row[0], row[1]): row[2] for row in await connection.fetch(CLAIMS)}
    orders = {order.address: order.id for order in naive.orders.values()}
    canonical = {block.hash for block in naive.chain}
    stored: dict[bytes, list[tuple[Any, ...]]] = {}
    for row in await connection.fetch(TRANSFERS):
        *fields, number, is_canonical = row
        stored.setdefault(row["block_hash"], []).append((*fields[1:6], int(row["amount"]), number))
        differences.unless(
            is_canonical == (row["block_hash"] in canonical),
            f"transfer {row['log_index']} of block {number}: canonical is {is_canonical}",
        )
        claim = claims.pop((row["block_hash"], row["log_index"]), None)
        differences.unless(
            claim == orders.get(row["recipient"]),
            f"transfer {row['log_index']} of block {number} is claimed by {claim}",
        )
    differences.unless(not claims, f"{len(claims)} claims of no transfer")
    for row in await connection.fetch(BLOCKS):
        block = _made(naive.model, row["hash"])
        expected = [] if block is None or _is_anchor(block) else _transfers(block)
        differences.unless(
            stored.get(row["hash"], []) == expected,
            f"block {row['number']}: {len(stored.get(row['hash'], []))} transfers are stored, "
            f"{len(expected)} were made, or they differ",
        )


async def _compare_orders(
    connection: Connection, naive: NaiveLedger, differences: Differences
) -> None:
    rows = {row["id"]: row for row in await connection.fetch(ORDERS)}
    differences.unless(rows.keys() == naive.orders.keys(), "the orders are others")
    for order in naive.orders.values():
        row = rows.get(order.id)
        if row is None:
            continue
        stored = (row[1], int(row[2]), int(row[3]), row[4], row[5], row[6])
        expected = (
            *(order.status, order.received, order.owed_back),
            None if order.covering_block is None else order.covering_block[0],
            *(order.was_paid, order.is_cancelled),
        )
        differences.unless(
            stored == expected, f"order {order.id}: stored {stored}, naive {expected}"
        )


async def _compare_events(
    connection: Connection, naive: NaiveLedger, differences: Differences
) -> None:
    rows = await connection.fetch(EVENTS)
    differences.unless(
        [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "event numbers have gaps"
    )
    told = [
        (row["type"], row["order_id"], row["data"].get("status", row["data"].get("balance")))
        for row in rows
    ]
    expected = [
        (kind, order_id, None if kind == "order.created" else status)
        for kind, order_id, status in naive.journal
    ]
    if told != expected:
        at = next(
            (i for i, pair in enumerate(zip(told, expected, strict=False)) if pair[0] != pair[1]),
            min(len(told), len(expected)),
        )
        differences.found.append(
            f"event {at + 1}: stored {told[at : at + 3]}, naive {expected[at : at + 3]}"
        )
    last = {row["order_id"]: row["data"] for row in rows if row["type"].startswith("order.")}
    for order in naive.orders.values():
        data = last.get(order.id, {})
        if "status" in data:
            differences.unless(
                _folded(data) == _as_told(order),
                f"order {order.id}: the journal says {_folded(data)}, naive {_as_told(order)}",
            )


async def _compare_loyalty(
    connection: Connection, naive: NaiveLedger, differences: Differences
) -> None:
    customers = naive.loyalty.customers
    accounts = {row[0]: (row[1], row[2]) for row in await connection.fetch(ACCOUNTS)}
    expected = {whose: (has.balance, len(has.coupons)) for whose, has in customers.items()}
    differences.unless(accounts == expected, f"points: stored {accounts}, naive {expected}")
    coupons = [tuple(row) for row in await connection.fetch(COUPONS)]
    naive_coupons = [
        (whose, number, *coupon)
        for whose, has in sorted(customers.items())
        for number, coupon in enumerate(has.coupons, 1)
    ]
    differences.unless(
        coupons == naive_coupons, f"coupons: stored {coupons}, naive {naive_coupons}"
    )
    posted = {(row[0], row[1]): row[2] for row in await connection.fetch(POSTED) if row[2]}
    counted = {(order, whose): 1 for whose, has in customers.items() for order in has.counted}
    differences.unless(posted == counted, f"postings: stored {posted}, naive {counted}")
    events = sum(kind.startswith("loyalty.") for kind, _, _ in naive.journal)
    used = sum(kind == "loyalty.coupon_used" for kind, _, _ in naive.journal)
    differences.unless(
        await connection.fetchval(POSTINGS) == events - used, "a posting is missing or too many"
    )


def _made(model: ChainModel, block_hash: bytes) -> ModelBlock | None:
    return model.blocks.get(block_hash) or model.lone_blocks.get(block_hash)


def _is_anchor(block: ModelBlock) -> bool:
    return block.number == 0


def _transfers(block: ModelBlock) -> list[tuple[Any, ...]]:
    return [
        (
            *(item.log_index, item.tx_index, item.tx_hash),
            *(item.movement.sender, item.movement.recipient, item.movement.amount, block.number),
        )
        for item in block.transfers()
    ]


def _folded(data: dict[str, Any]) -> tuple[Any, ...]:
    payment = data["payment"]
    block = None if payment is None else (payment["blockNumber"], payment["blockHash"])
    return data["status"], data["amountReceived"], data["amountOwedBack"], block


def _as_told(order: NaiveOrder) -> tuple[Any, ...]:
    covering = order.covering_block
    block = None if covering is None else (covering[0], to_hex(covering[1]))
    return order.status, format_bill(order.received), format_bill(order.owed_back), block


def undeclared_depths(naive: NaiveLedger, declared: dict[str, set[bytes]]) -> list[str]:
    """Which depth of the ledger no node has ever declared, for its block or a descendant of it."""
    return [
        f"block {number} is called {name}, which no node ever said"
        for name, number in (("safe", naive.safe_number), ("finalized", naive.finalized_number))
        if number < len(naive.chain)
        and number > 0
        and naive.chain[number].hash not in _with_ancestors(naive.model, declared[name])
    ]


def _with_ancestors(model: ChainModel, hashes: set[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for block_hash in hashes:
        walked = block_hash
        while walked in model.blocks and walked not in found:
            found.add(walked)
            walked = model.blocks[walked].parent_hash
    return found
