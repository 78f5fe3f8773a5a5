"""How long it takes to take 64 blocks back."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

from benchmarks.bench_stack import BenchStack
from benchmarks.figures import Figure, percentiles, say
from devnet.databases import create_database, drop_database
from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import ChainModel
from ledger.block import ProvenBlock, prove_block
from ledger.chain import BlockRef
from ledger.store.cursor import read_cursor, register
from ledger.store.pool import Connection, connect
from ledger.store.switch import Step, apply_step
from migrations import upgrade

DEPTH = 64
ROUNDS = 20
TRANSFERS_PER_BLOCK = 10
_SEED = 64


async def measure_retract(stack: BenchStack) -> list[Figure]:
    """`retract.64_blocks_ms`: from two proven 64-block branches, one is replaced by one block.

    Each retracted block holds ten transfers. The floor is one bare transaction that updates as
    many rows of a bare table.
    """
    say(f"retract: {ROUNDS} times {DEPTH} blocks of {TRANSFERS_PER_BLOCK} transfers ...")
    url = await create_database(stack.database_url, name="billcoin_retract")
    await upgrade(url)
    connection = await connect(url, application_name="billcoin-bench")
    try:
        samples, floors = await _rounds(connection)
    finally:
        await connection.close()
        await drop_database(url, server_url=stack.database_url)
    return [Figure("retract.64_blocks_ms", percentiles(samples), "ms", percentiles(floors))]


async def _rounds(connection: Connection) -> tuple[list[float], list[float]]:
    model = ChainModel(Random(_SEED))  # noqa: S311 - wants repeating
    chain_id = model.deployment.chain_id
    first = _proven(model, model.head)
    async with connection.transaction():
        await register(connection, model.deployment, anchor=first.header)
    await connection.execute("CREATE TABLE bench_floor (n integer, canonical boolean)")
    await connection.execute(
        "INSERT INTO bench_floor SELECT generate_series(1, $1), true",
        DEPTH * (TRANSFERS_PER_BLOCK + 1),
    )
    samples, floors = [], []
    for _ in range(ROUNDS):
        fork = model.head
        branch = [_mine(model) for _ in range(DEPTH)]
        await _apply(connection, chain_id, fork, branch)
        replacement = model.reorg(DEPTH, [[]])
        block = _proven(model, replacement)
        started = time.perf_counter()
        await _apply(connection, chain_id, fork, [block])
        samples.append(time.perf_counter() - started)
        started = time.perf_counter()
        async with connection.transaction():
            await connection.execute("UPDATE bench_floor SET canonical = NOT canonical")
        floors.append(time.perf_counter() - started)
    return samples, floors


def _mine(model: ChainModel) -> ProvenBlock:
    logs = [
        model.transfer(model.wallets[0], model.wallets[1], 1) for _ in range(TRANSFERS_PER_BLOCK)
    ]
    return _proven(model, model.mine([model.draft(logs)]))


def _proven(model: ChainModel, block: ModelBlock) -> ProvenBlock:
    return prove_block(
        block.block_json,
        block.receipts_json,
        expected_hash=block.hash,
        token=model.deployment.token,
    )


async def _apply(
    connection: Connection, chain_id: int, fork: ModelBlock, branch: Sequence[ProvenBlock]
) -> None:
    cursor = await read_cursor(connection, chain_id)
    if cursor is None:
        raise RuntimeError("the ledger was not registered")
    step = Step(cursor.tip, BlockRef(fork.number, fork.hash), branch)
    async with connection.transaction():
        await apply_step(connection, chain_id, step, now=datetime.now(UTC))
