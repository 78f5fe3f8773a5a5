"""The indexer follows a real chain into a real Postgres."""

from collections.abc import AsyncIterator
from unittest.mock import AsyncMock

import pytest
from market import BILL, Market, indexing, open_market, wait_for

from indexer import follow, history
from ledger.order import Finality, Status
from ledger.store.observation import read_observation


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        yield opened


@pytest.mark.parametrize("way", ["both", "http", "socket"])
async def test_a_plain_transfer_to_the_order_address_pays_the_order(
    market: Market, way: str
) -> None:
    if way == "socket":
        settings = market.settings().model_copy(
            update={"node_http_url": (market.chain.ws_url,), "node_ws_url": ()}
        )
        market.settings = lambda **_: settings  # type: ignore[method-assign]
    async with indexing(market, ws=way == "both"):
        order = await market.order(due=BILL)
        await market.pay(order.address, BILL)
        paid = await market.until(order.id, Status.PAID)
    assert paid.amount_received == BILL
    assert paid.amount_owed_back == 0
    assert await market.event_types(order.id) == ["order.created", "order.paid"]


async def test_a_paid_order_settles_when_its_block_is_final(market: Market) -> None:
    async with indexing(market):
        order = await market.order()
        await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)
        await market.mine(6)
        settled = await market.until(order.id, Status.SETTLED)
    assert settled.paid_at is not None
    assert settled.settled_at is not None
    assert await market.event_types(order.id) == [
        "order.created",
        "order.paid",
        "order.settled",
    ]


async def test_a_larger_order_waits_for_depth(market: Market) -> None:
    async with indexing(market):
        order = await market.order(finality=Finality.SAFE)
        await market.pay(order.address, BILL)
        await market.until(order.id, Status.DETECTED)
        await market.mine(3)
        await market.until(order.id, Status.PAID)


async def test_history_is_caught_up_before_the_head_is_followed(market: Market) -> None:
    order = await market.order()
    await market.pay(order.address, BILL)
    await market.mine(100)
    async with indexing(market):
        await market.until_tip()
        settled = await market.until(order.id, Status.SETTLED)
    assert settled.amount_received == BILL
    # Found final at once, it still tells that it was paid.
    assert await market.event_types(order.id) == [
        "order.created",
        "order.paid",
        "order.settled",
    ]
    stored = await market.ledger.fetchval("SELECT count(*) FROM block WHERE canonical")
    start = market.manifest.start_block
    assert stored == await market.head_number() - start + 2  # and the anchor below the start


async def test_long_history_is_taken_in_by_processes_and_the_seam_is_exact(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LONG_WAY_BLOCKS", 100)
    took_in = AsyncMock(side_effect=history.take_in_history)
    monkeypatch.setattr(follow, "take_in_history", took_in)
    order = await market.order()
    await market.pay(order.address, BILL)
    await market.node.call("anvil_mine", hex(200))
    async with indexing(market):
        await market.until_tip()
        await market.until(order.id, Status.SETTLED)
        later = await market.order()
        await market.pay(later.address, BILL)
        await market.until(later.id, Status.PAID)
    numbers = await market.ledger.fetchrow(
        "SELECT count(*), max(number) - min(number) + 1 AS span FROM block WHERE canonical"
    )
    assert numbers is not None
    assert took_in.await_count == 1
    assert numbers["count"] == numbers["span"] == await market.head_number() + 1


async def test_a_reorganisation_reverses_a_payment_and_its_return_pays_again(
    market: Market,
) -> None:
    async with indexing(market):
        order = await market.order()
        await market.mine(5)
        await market.pay(order.address, BILL)
        await market.until(order.id, Status.PAID)
        await market.mine(2)
        await market.until_tip()
        await market.reorg(3)
        reversed_ = await market.until(order.id, Status.REVERSED)
        assert reversed_.amount_received == 0
        assert reversed_.paid_at is not None
        await market.pay(order.address, BILL)
        paid = await market.until(order.id, Status.PAID)
    assert paid.amount_received == BILL
    assert paid.amount_owed_back == 0
    assert await market.event_types(order.id) == [
        "order.created",
        "order.paid",
        "order.reversed",
        "order.paid",
    ]
    # Nothing was deleted: the retracted blocks are still there, no longer canonical.
    assert await market.ledger.fetchval("SELECT count(*) FROM block WHERE NOT canonical") == 3


async def test_a_reorganisation_without_transfers_only_moves_the_tip(market: Market) -> None:
    async with indexing(market):
        order = await market.order()
        await market.mine(3)
        await market.until_tip()
        await market.reorg(2)
        await market.mine()
        await market.until_tip()
    assert await market.event_types(order.id) == ["order.created"]


async def test_what_two_transactions_pay_together_counts_and_more_is_owed_back(
    market: Market,
) -> None:
    async with indexing(market):
        order = await market.order(due=BILL)
        await market.pay(order.address, BILL // 2)
        await market.until(order.id, Status.UNDERPAID)
        await market.pay(order.address, BILL)
        paid = await market.until(order.id, Status.PAID)
        assert paid.amount_owed_back == BILL // 2
        await market.pay(order.address, BILL)

        async def second_is_owed_back() -> bool:
            return (await market.read(order.id)).amount_owed_back == BILL * 3 // 2

        await market.until_tip()
        assert await second_is_owed_back()
    assert await market.event_types(order.id) == [
        "order.created",
        "order.underpaid",
        "order.paid",
        "order.updated",
    ]


async def test_an_order_expires_by_the_chain_s_clock(market: Market) -> None:
    async with indexing(market):
        order = await market.order(lives_seconds=50)
        await market.mine()
        await market.until_tip()
        assert (await market.read(order.id)).status is Status.AWAITING_PAYMENT
        await market.node.call("evm_increaseTime", 100)
        await market.mine()
        await market.until(order.id, Status.EXPIRED)
        await market.pay(order.address, BILL)
        late = await market.until(order.id, Status.PAID_LATE)
    assert late.amount_owed_back == BILL


async def test_a_transfer_to_the_treasury_is_kept_as_unmatched(market: Market) -> None:
    async with indexing(market):
        await market.pay(market.manifest.deployment.treasury, BILL)
        await market.until_tip()
    row = await market.ledger.fetchrow(
        "SELECT t.amount, p.order_id FROM transfer t LEFT JOIN payment p "
        "USING (chain_id, block_hash, log_index) WHERE recipient = $1",
        market.manifest.deployment.treasury,
    )
    assert row is not None
    assert (row["amount"], row["order_id"]) == (BILL, None)


async def test_a_standby_takes_over_when_the_leader_goes(market: Market) -> None:
    async with indexing(market):
        await market.until_tip()
        async with indexing(market):
            leader_count = await market.ledger.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert leader_count == 1
            await market.ledger.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            order = await market.order()
            await market.pay(order.address, BILL)
            await market.until(order.id, Status.PAID)


async def test_what_was_seen_at_the_node_is_noted_for_the_oracle(market: Market) -> None:
    async with indexing(market):
        await market.mine(3)
        await market.until_tip()
        head = await market.head_number()

        async def is_noted() -> bool:
            noted = await read_observation(market.ledger, market.chain.chain_id)
            return noted is not None and noted.head_number == head

        await wait_for(is_noted, "the head in the ledger")
        observation = await read_observation(market.ledger, market.chain.chain_id)
    assert observation is not None
    assert observation.head_number == await market.head_number()
    assert observation.halt_code is None
