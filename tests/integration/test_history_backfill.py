"""History taken in by ranges is the ledger that single blocks would have made."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from market import BILL, Market, open_market, wait_for

from devnet.databases import fresh_database
from indexer.backfill import backfill_until
from indexer.backfill_worker import RangeTask
from indexer.catch_up import catch_up
from indexer.lead import open_sources
from ledger.chain import BrokenBranchError
from ledger.json_hex import UnprovenError
from ledger.order import Status
from ledger.store.cursor import Cursor, TipMovedError, read_cursor, register
from ledger.store.pool import Connection, connect

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
Tamper = Callable[[Any], Any]


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        yield opened


@pytest.fixture
async def other_ledger(postgres_url: str, migrated_template: str) -> AsyncIterator[Connection]:
    async with fresh_database(postgres_url, template=migrated_template) as url:
        connection = await connect(url, application_name="test")
        yield connection
        await connection.close()


async def start(market: Market, ledger: Connection) -> Cursor:
    async with open_sources(market.settings()) as sources:
        anchor = await sources.header_by_number(market.manifest.start_block - 1)
    async with ledger.transaction():
        await register(ledger, market.manifest.deployment, anchor=anchor)
    cursor = await read_cursor(ledger, market.chain.chain_id)
    assert cursor is not None
    return cursor


def task(market: Market, last: int, *, url: str | None = None) -> RangeTask:
    deployment = market.manifest.deployment
    return RangeTask(
        url or market.chain.http_url, deployment.chain_id, deployment.token, 0, last, 5
    )


async def fill(market: Market, last: int, *, url: str | None = None) -> Cursor:
    """Backfill by threads, which take the same tasks as processes and start at once."""
    cursor = await read_cursor(market.ledger, market.chain.chain_id)
    if cursor is None:
        cursor = await start(market, market.ledger)
    with ThreadPoolExecutor(2) as pool:
        return await backfill_until(
            market.ledger, pool, cursor, task=task(market, last, url=url), workers=2
        )


async def written(ledger: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that follows from the chain."""
    queries = {
        "chain": "SELECT tip_number, tip_hash, tip_timestamp, finalized_number FROM chain",
        "block": "SELECT * FROM block ORDER BY number, hash",
        "transfer": "SELECT t.*, amount::text FROM transfer t ORDER BY block_number, log_index",
        "payment": "SELECT * FROM payment ORDER BY block_hash, log_index",
        "orders": "SELECT id, status, amount_received, amount_owed_back, covering_number, version"
        " FROM orders ORDER BY id",
        "posting": "SELECT * FROM posting ORDER BY seq",
        "coupon": "SELECT id, customer, number, order_id, status FROM coupon ORDER BY id",
        "loyalty_account": "SELECT * FROM loyalty_account ORDER BY customer",
        "event": "SELECT seq, type, order_id, data FROM event ORDER BY seq",
    }
    return {name: [tuple(r) for r in await ledger.fetch(sql)] for name, sql in queries.items()}


async def copy_orders(source: Connection, target: Connection) -> None:
    for table in ("orders", "event"):
        rows = await source.fetch(f"SELECT * FROM {table}")  # noqa: S608 - our own names
        await target.copy_records_to_table(table, records=[tuple(row) for row in rows])
    await target.execute("UPDATE journal SET last_seq = $1", len(rows))


async def sell(market: Market) -> None:
    """A history with all sorts of payments in it."""
    orders = [await market.order(customer=b"\x0a" * 32) for _ in range(6)]
    late = await market.order(lives_seconds=1)
    await market.pay(orders[0].address, BILL)
    await market.mine(5)
    await market.pay(orders[1].address, BILL // 2)
    await market.pay(orders[2].address, 3 * BILL)
    await market.pay(orders[3].address, 0)
    await market.pay(market.manifest.deployment.treasury, 10**9 * 10**4)
    await market.mine(70)
    await market.pay(orders[1].address, BILL // 2)
    await market.pay(orders[4].address, BILL + 1)
    await market.node.call("evm_increaseTime", 100)
    await market.pay(late.address, BILL)
    await market.mine(90)


async def test_ranges_write_exactly_what_single_steps_write(
    market: Market, other_ledger: Connection
) -> None:
    await sell(market)
    await copy_orders(market.ledger, other_ledger)
    last = await market.head_number()
    await fill(market, last)
    async with open_sources(market.settings()) as sources:
        await catch_up(
            other_ledger,
            sources,
            await start(market, other_ledger),
            chain_id=market.chain.chain_id,
            until_number=last,
            concurrency=8,
        )
    ours, theirs = await written(market.ledger), await written(other_ledger)
    for table, rows in theirs.items():
        assert ours[table] == rows, table
    assert ours["posting"]
    assert {row[1] for row in ours["orders"]} >= {"paid", "paid_late", "awaiting_payment"}


async def test_a_retracted_block_that_comes_back_finds_its_rows(market: Market) -> None:
    await sell(market)
    last = await market.head_number()
    await fill(market, last)
    before = await written(market.ledger)
    # As after a reorganisation: the upper half stands retracted and the tip is below it.
    middle = last - 90
    await market.ledger.execute("UPDATE block SET canonical = false WHERE number > $1", middle)
    await market.ledger.execute(
        "UPDATE transfer SET canonical = false WHERE block_number > $1", middle
    )
    await market.ledger.execute(
        "UPDATE chain SET tip_number = number, tip_hash = hash, tip_timestamp = b.timestamp "
        "FROM block b WHERE b.number = $1",
        middle,
    )
    await fill(market, last)
    after = await written(market.ledger)
    assert (after["block"], after["transfer"]) == (before["block"], before["transfer"])


async def test_another_writer_is_noticed(market: Market) -> None:
    cursor = await start(market, market.ledger)
    await market.mine(10)
    await fill(market, 3)
    with ThreadPoolExecutor(1) as pool, pytest.raises(TipMovedError):
        await backfill_until(market.ledger, pool, cursor, task=task(market, 9), workers=1)


async def test_a_chain_that_does_not_hold_our_tip_is_refused(market: Market) -> None:
    await market.mine(10)
    last = await market.head_number()
    await fill(market, last)
    await market.reorg(3)
    await market.mine(5)
    with pytest.raises(BrokenBranchError):
        await fill(market, last + 4)
    assert len(await market.ledger.fetch("SELECT 1 FROM block WHERE number > $1", last)) == 0


@contextlib.asynccontextmanager
async def proxied(market: Market, change: Callable[[Any, Any], Any]) -> AsyncIterator[str]:
    """The market's node behind a server that changes answers: `change(request, answer)`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        async with session.post(market.chain.http_url, json=asked) as reply:
            changed = change(asked, await reply.json())
        return changed if isinstance(changed, web.Response) else web.json_response(changed)

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application)
    async with ClientSession() as session:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def test_a_node_that_takes_small_batches_or_none_is_asked_so(market: Market) -> None:
    await market.mine(40)
    last = await market.head_number()
    for most in (4, 0):

        def refuse(asked: Any, answer: Any, most: int = most) -> Any:
            if isinstance(asked, list) and len(asked) > most:
                return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no"}}
            return answer

        async with proxied(market, refuse) as url:
            cursor = await fill(market, last - 20 if most else last, url=url)
    assert cursor.tip.number == last


async def test_a_busy_node_is_given_time(market: Market) -> None:
    await market.mine(20)
    refusals = iter([True, True])

    def busy(_: Any, answer: Any) -> Any:
        if next(refusals, False):
            return web.Response(status=429, headers={"Retry-After": "0.05"})
        return answer

    async with proxied(market, busy) as url:
        assert (await fill(market, 20, url=url)).tip.number == 20


def _raise_amount(receipt: dict[str, Any]) -> None:
    for log in receipt["logs"]:
        log["data"] = hex(int(log["data"], 16) + 1).replace("0x", "0x" + "0" * 40)[:66]


def _drop_log(receipt: dict[str, Any]) -> None:
    receipt["logs"] = receipt["logs"][1:]


@pytest.mark.parametrize("tamper", [_raise_amount, _drop_log])
async def test_a_lie_in_one_receipt_stops_before_its_block(
    market: Market, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.ranges_ahead._MAX_BACKOFF_SECONDS", 0.01)
    await market.mine(80)
    await market.pay(b"\x01" * 20, BILL)
    lied_about = await market.head_number()
    honest = await market.node.call("eth_getBlockReceipts", hex(lied_about))
    assert [len(receipt["logs"]) for receipt in honest] == [1]  # there is something to lie about
    await market.mine(80)

    def lie(_: Any, answers: Any) -> Any:
        for answer in answers if isinstance(answers, list) else [answers]:
            found = answer.get("result")
            for receipt in found if isinstance(found, list) else []:
                if int(receipt["blockNumber"], 16) == lied_about:
                    tamper(receipt)
        return answers

    async with proxied(market, lie) as url:
        with pytest.raises(UnprovenError) as caught:
            await fill(market, await market.head_number(), url=url)
    assert caught.value.code in {"receipts_root", "field_malformed"}
    cursor = await read_cursor(market.ledger, market.chain.chain_id)
    assert cursor is not None
    assert cursor.tip.number < lied_about


async def command(market: Market, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env={"PATH": os.environ["PATH"]} | market.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_killed_at_any_point_it_goes_on_and_the_ledger_is_sound(market: Market) -> None:
    order = await market.order()
    await market.mine(150)
    await market.pay(order.address, BILL)
    for _ in range(4):
        await market.node.call("anvil_mine", "0x80")
    killed = await command(market, "backfill", "--workers", "1")

    async def has_begun() -> bool:
        return bool(await market.ledger.fetchval("SELECT max(number) FROM block"))

    await wait_for(has_begun, "the first range")
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    process = await command(market, "backfill", "--json")
    output, errors = await process.communicate()
    assert process.returncode == 0, errors
    told = r"Proving and writing blocks: [\d,]+ of [\d,]+, [\d,]+ transfers/s, [\d:-]+ remaining"
    assert re.search(told, errors.decode()), errors
    assert json.loads(output)["tip_number"] == await market.head_number() - 4
    assert (await market.read(order.id)).status is Status.SETTLED
    checked = await command(market, "replay-check", "--json")
    output, errors = await checked.communicate()
    assert checked.returncode == 0, output + errors
