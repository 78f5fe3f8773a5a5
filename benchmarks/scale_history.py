"""Years of sales, written by the database itself: transfers, orders, payments and events."""

import os
import time

import asyncpg

from benchmarks.bench_stack import BenchStack, in_haste
from benchmarks.figures import say

_SHARE_VARIABLE = "BILLCOIN_BENCH_SCALE"
"""A fraction of the whole, for trying the benchmark itself."""

_SHARE = float(os.environ.get(_SHARE_VARIABLE, "1"))
TRANSFERS_PER_BLOCK = 10
ORDERS = int(1_000_000 * _SHARE)
BLOCKS = ORDERS
"""One order is paid in each block, beside nine transfers that are no order's."""

TRANSFERS = BLOCKS * TRANSFERS_PER_BLOCK
_BLOCKS_AT_ONCE = 25_000
_HEX_STEP = 4_294
"""2^32 over a million: keys that ascend, so that indexes fill in order, over all their space."""

# Everything lies before the chain's first block and the journal's first event: the indexer and the
# oracle, which run meanwhile, go on behind it. Keys are 8 ascending hex digits and random ones.
_BLOCK_HASH = (
    "decode(lpad(to_hex(i * {step}), 8, '0') || md5('b' || i) || left(md5('c' || i), 24), 'hex')"
)
_ADDRESS = "decode(lpad(to_hex(i * {step}), 8, '0') || md5('a' || i), 'hex')"

_STATEMENTS = {
    "blocks": """
INSERT INTO block (chain_id, hash, number, parent_hash, "timestamp", transactions_root,
                   receipts_root, canonical)
SELECT $3, {hash}, i - {blocks}, decode(md5('p' || i) || md5('q' || i), 'hex'), 1600000000 + i * 90,
       decode(md5('t' || i) || md5('u' || i), 'hex'), decode(md5('r' || i) || md5('s' || i), 'hex'),
       true
FROM generate_series($1::bigint, $2::bigint) AS i
""",
    "transfers": """
INSERT INTO transfer (chain_id, block_hash, log_index, block_number, tx_index, tx_hash, sender,
                      recipient, amount, canonical)
SELECT $3, {hash}, n, i - {blocks}, n,
       decode(lpad(to_hex(i * {step} + n * 400), 8, '0') || md5('x' || i)
              || left(md5('y' || n), 24), 'hex'),
       decode('0000' || left(md5('f' || i % 5000), 32) || '0000', 'hex'),
       CASE n WHEN 0 THEN {address}
       ELSE decode(md5('z' || i) || lpad(to_hex(n), 8, '0'), 'hex') END,
       250000000000000000, true
FROM generate_series($1::bigint, $2::bigint) AS i, generate_series(0, {per_block} - 1) AS n
""",
    "orders": """
INSERT INTO orders (id, chain_id, store_id, items, amount_myr, rate_myr_per_bill, amount_due,
                    address, required_finality, created_at, expires_at, paid_at, settled_at,
                    status, amount_received, amount_owed_back, covering_number, version, customer)
SELECT 'ord_00' || lpad(i::text, 24, '0'), $3, 'cafeteria',
       '[{{"sku": "fresh-250ml", "name": "Milk", "quantity": 1, "unitPriceMyr": "1.80"}}]',
       180, 7.20, 250000000000000000, {address}, 'included',
       to_timestamp(1600000000 + i * 90), 1600000900 + i * 90,
       CASE WHEN i % 100 < 98 THEN to_timestamp(1600000003 + i * 90) END,
       CASE WHEN i % 100 < 98 THEN to_timestamp(1600000100 + i * 90) END,
       CASE i % 100 WHEN 98 THEN 'expired' WHEN 99 THEN 'expired' ELSE 'settled' END,
       CASE WHEN i % 100 < 98 THEN 250000000000000000 ELSE 0 END, 0,
       CASE WHEN i % 100 < 98 THEN i - {blocks} END, i - {blocks}, NULL
FROM generate_series($1::bigint, $2::bigint) AS i
""",
    "payments": """
INSERT INTO payment (chain_id, block_hash, log_index, order_id)
SELECT $3::bigint, {hash}, 0, 'ord_00' || lpad(i::text, 24, '0')
FROM generate_series($1::bigint, $2::bigint) AS i WHERE i % 100 < 98
""",
    "events": """
INSERT INTO event (seq, type, order_id, data, created_at)
SELECT i - {blocks}, 'order.settled', 'ord_00' || lpad(i::text, 24, '0'),
       jsonb_build_object('orderId', 'ord_00' || lpad(i::text, 24, '0'), 'status', 'settled',
                          'amountDue', '0.25', 'amountMyr', '1.80', 'chainId', $3::bigint),
       to_timestamp(1600000100 + i * 90)
FROM generate_series($1::bigint, $2::bigint) AS i
""",
}


async def fill(stack: BenchStack) -> None:
    """Write it all, telling how far it is; then let the database gather its statistics."""
    chain_id = stack.manifest.deployment.chain_id
    connection = await asyncpg.connect(stack.database_url)
    started = time.perf_counter()
    async with in_haste(stack):
        # Foreign keys hold by construction, and checking each row would take longer than writing.
        await connection.execute("SET session_replication_role = replica")
        for start in range(0, BLOCKS, _BLOCKS_AT_ONCE):
            last = min(start + _BLOCKS_AT_ONCE, BLOCKS) - 1
            for statement in _STATEMENTS.values():
                await connection.execute(_written(statement), start, last, chain_id)
            _tell(last + 1, time.perf_counter() - started)
        say("scale: vacuum and statistics ...")
        await connection.execute("VACUUM (ANALYZE, FREEZE)")
    await connection.close()


def _written(statement: str) -> str:
    names = {"step": _HEX_STEP, "blocks": BLOCKS, "per_block": TRANSFERS_PER_BLOCK}
    return statement.format(
        hash=_BLOCK_HASH.format(**names), address=_ADDRESS.format(**names), **names
    )


def _tell(blocks: int, seconds: float) -> None:
    left = seconds / blocks * (BLOCKS - blocks)
    say(
        f"scale: {blocks * TRANSFERS_PER_BLOCK:>10} of {TRANSFERS} transfers, "
        f"{blocks} of {ORDERS} orders, {left:.0f} s left"
    )
