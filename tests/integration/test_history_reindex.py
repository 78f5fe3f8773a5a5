"""The ledger is built anew while in use, and takes the old one's place whole or not at all."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from market import BILL, Market, indexing, only_node_has_it, open_market
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from test_schema import _differences

from indexer.audit.work import choose_range
from indexer.backfill_worker import RangeTask
from indexer.reindex import Reindexed, reindex
from ledger.order import Status
from ledger.store.pool import connect
from ledger.store.replay import count_inconsistencies, find_misclaimed
from ledger.store.swap import TABLES
from migrations.grants import grant_oracle_role


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        yield opened


async def rebuilt(market: Market, *, swap: bool = True) -> Reindexed:
    deployment = market.manifest.deployment
    chain_id = deployment.chain_id
    connection = await connect(market.database_url, application_name="test-reindex")
    first, last = await choose_range(connection, chain_id, None, None)
    task = RangeTask(market.chain.http_url, chain_id, deployment.token, first, last, 5)
    try:
        with ThreadPoolExecutor(2) as pool:
            return await reindex(
                connection,
                pool,
                task,
                workers=2,
                swap=swap,
                progress=lambda _done, _total: None,
                is_backed=only_node_has_it,
            )
    finally:
        await connection.close()


async def test_it_swaps_under_a_running_indexer_and_nobody_notices(market: Market) -> None:
    async with indexing(market):
        paid = await market.order()
        await market.mine(3)
        await market.pay(paid.address, BILL)
        await market.until(paid.id, Status.PAID)
        await market.reorg(1)
        await market.until(paid.id, Status.REVERSED)
        await market.pay(paid.address, BILL)
        await market.mine(6)
        await market.until(paid.id, Status.SETTLED)
        events = await market.event_types(paid.id)
        rows = await market.ledger.fetchval("SELECT count(*) FROM block")
        reading = asyncio.create_task(keep_reading(market))
        result = await rebuilt(market)
        assert (result.swapped, result.different_blocks, result.events) == (True, 0, 0)
        assert result.live_digest == result.new_digest
        # Retracted blocks are kept, and what comes next lands in the new tables.
        assert await market.ledger.fetchval("SELECT count(*) FROM block") >= rows
        later = await market.order()
        await market.pay(later.address, BILL)
        await market.until(later.id, Status.PAID)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert not reading.done() or reading.cancelled()
    assert await market.event_types(paid.id) == events
    await check_sound(market)


async def keep_reading(market: Market) -> None:
    """A reader that must never see an error or an empty table."""
    reader = await connect(market.database_url, application_name="test-reader")
    try:
        while True:
            assert await reader.fetchval(
                "SELECT count(*) FROM transfer JOIN block ON hash = block_hash"
            )
            await asyncio.sleep(0.005)
    finally:
        reader.terminate()


async def test_what_was_wrong_is_right_afterwards_and_orders_are_judged_again(
    market: Market,
) -> None:
    async with indexing(market):
        robbed, gifted = await market.order(), await market.order()
        await market.pay(robbed.address, BILL)
        await market.until(robbed.id, Status.PAID)
        await market.mine(6)
        await market.until(robbed.id, Status.SETTLED)
    await market.ledger.execute("DELETE FROM payment_proof; DELETE FROM payment; ")
    # One transfer is made up to pay another order than the chain says.
    await market.ledger.execute(
        "UPDATE transfer SET recipient = $1 WHERE recipient = $2", gifted.address, robbed.address
    )
    looked = await rebuilt(market, swap=False)
    assert (looked.swapped, looked.different_blocks) == (False, 1)
    assert {item.side for item in looked.differences} == {"ledger", "node"}
    assert await market.ledger.fetchval(
        "SELECT count(*) FROM transfer WHERE recipient = $1", gifted.address
    )
    result = await rebuilt(market)
    assert result.different_blocks == 1
    claimed = await market.ledger.fetch("SELECT order_id FROM payment")
    assert [row["order_id"] for row in claimed] == [robbed.id]
    assert (await market.read(robbed.id)).status is Status.SETTLED
    await check_sound(market)


async def test_who_could_read_before_can_read_afterwards(market: Market) -> None:
    role = f"oracle_{secrets.token_hex(6)}"
    await market.ledger.execute(f"CREATE ROLE {role}")
    await grant_oracle_role(market.database_url, role)
    async with indexing(market):
        order = await market.order()
        await market.pay(order.address, BILL)
        await market.mine(6)
        await market.until(order.id, Status.SETTLED)
    await rebuilt(market)
    may = "SELECT has_table_privilege($1, $2, $3)"
    try:
        for table in TABLES:
            assert await market.ledger.fetchval(may, role, f"public.{table}", "SELECT")
            assert not await market.ledger.fetchval(may, role, f"public.{table}", "UPDATE")
    finally:
        await market.ledger.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def check_sound(market: Market) -> None:
    chain_id = market.chain.chain_id
    assert await find_misclaimed(market.ledger, chain_id) == []
    assert set((await count_inconsistencies(market.ledger, chain_id)).values()) == {0}
    left = await market.ledger.fetchval(
        "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'billcoin_%'"
    )
    assert left == 0
    assert not await market.ledger.fetchval(
        "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    )
    url = make_url(market.database_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()
