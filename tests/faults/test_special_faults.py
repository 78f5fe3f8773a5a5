"""Faults that no indexer can ride out, and chains that are odd without being wrong."""

from collections.abc import AsyncIterator

import pytest
from stall import Stall, halted, indexing, lookalikes_for, open_stall

from devnet.faulty_node.bloom import BloomKind
from indexer import source
from indexer.deployment_check import WrongDeploymentError
from ledger.chain import FinalityConflictError
from ledger.store.observation import read_observation
from ledger.store.pool import Connection


@pytest.fixture
async def stall(
    witnessed_ledger: Connection, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stall]:
    monkeypatch.setattr(source, "QUARANTINE_SECONDS", 0.05)
    async with open_stall(witnessed_ledger, ledger_url) as opened:
        yield opened


async def _until_final(stall: Stall, number: int) -> None:
    async def is_final() -> bool:
        final: int | None = await stall.ledger.fetchval("SELECT finalized_number FROM chain")
        return final is not None and final >= number

    await stall.until(is_final, f"block {number} to be final")


async def test_a_node_of_another_chain_is_refused_at_the_start(stall: Stall) -> None:
    stall.faults.turn_on("wrong_chain_id")
    async with indexing(stall) as task:
        assert isinstance(await halted(task), WrongDeploymentError)
    assert await stall.ledger.fetchval("SELECT count(*) FROM chain") == 0


async def test_a_reorganisation_past_what_we_keep_halts_and_retracts_nothing(
    stall: Stall,
) -> None:
    async with indexing(stall) as task:
        order = await stall.order()
        stall.mine(stall.pay(order))
        stall.declare(safe=5, finalized=5)
        await stall.until_tip()
        await _until_final(stall, 5)
        stall.faults.turn_on("reorg_past_what_we_keep", amount=2)
        stall.mine()
        assert isinstance(await halted(task), FinalityConflictError)
    observation = await read_observation(stall.ledger, stall.model.deployment.chain_id)
    assert observation is not None
    assert observation.halt_code == "FinalityConflictError"
    assert await stall.status(order) == "settled"
    assert await stall.ledger.fetchval("SELECT count(*) FROM block WHERE NOT canonical") == 0


async def test_a_syncing_node_that_fakes_a_deep_reorg_is_left_alone(stall: Stall) -> None:
    async with indexing(stall) as task:
        order = await stall.order()
        stall.mine(stall.pay(order))
        stall.declare(safe=5, finalized=5)
        await stall.until_tip()
        await _until_final(stall, 5)
        stall.faults.turn_on("fake_deep_reorg", amount=2)
        await stall.until_struck("fake_deep_reorg", 6)
        assert not task.done()
        stall.faults.clear()
        stall.mine()
        await stall.until_tip()
        await stall.check()
    await stall.check_against_the_honest_node()


@pytest.mark.parametrize("length", [3, 60])
async def test_a_lone_node_that_overstates_finality_makes_a_later_reorg_halt(
    stall: Stall, length: int
) -> None:
    """Nobody can contradict it: whoever runs one node trusts it with finality."""
    async with indexing(stall) as task:
        stall.faults.turn_on("finality_overstated")
        stall.mine()
        await _until_final(stall, stall.model.head.number)
        stall.faults.clear()
        stall.model.reorg(2, [()] * length)
        assert isinstance(await halted(task), FinalityConflictError)


async def test_nothing_rests_on_logs_that_a_node_may_omit(stall: Stall) -> None:
    """With eth_getLogs leaving out a log of every answer, the ledger is whole all the same."""
    stall.faults.turn_on("getlogs_omits_log")
    async with indexing(stall):
        order = await stall.order()
        stall.mine(stall.pay(order), stall.model.pay(order.address, 1))
        await stall.until_tip()
        await stall.check()
    await stall.check_against_the_honest_node()
    assert await stall.status(order) == "paid"


@pytest.mark.parametrize("bloom_kind", list(BloomKind))
async def test_blooms_of_any_kind_hide_nothing_and_pretend_nothing(
    witnessed_ledger: Connection, ledger_url: str, bloom_kind: BloomKind
) -> None:
    async with open_stall(witnessed_ledger, ledger_url, bloom_kind=bloom_kind) as stall:
        async with indexing(stall):
            paid, unpaid = await stall.order(), await stall.order()
            stall.mine(stall.pay(paid), *lookalikes_for(stall, [unpaid]))
            await stall.until_tip()
            await stall.check()
        await stall.check_against_the_honest_node()
        assert await stall.status(paid) == "paid"
        assert await stall.status(unpaid) == "awaiting_payment"


async def test_malicious_logs_with_the_right_topic_pay_nothing(stall: Stall) -> None:
    async with indexing(stall):
        orders = [await stall.order() for _ in range(3)]
        stall.mine(*lookalikes_for(stall, orders))
        await stall.until_tip()
        await stall.check()
    assert {await stall.status(order) for order in orders} == {"awaiting_payment"}
    assert await stall.ledger.fetchval("SELECT count(*) FROM payment") == 0


async def test_flips_between_two_branches_unwind_and_reapply_exactly_once(stall: Stall) -> None:
    async with indexing(stall):
        order = await stall.order()
        await stall.until_tip()
        fork = stall.model.head
        stall.mine(stall.pay(order))
        left = stall.model.head
        await stall.until_tip()
        stall.model.switch_to(fork)
        right = stall.model.mine()
        await stall.until_tip()
        for branch in (left, right, left):
            stall.model.switch_to(branch)
            await stall.until_tip()
        await stall.check()
    types = await stall.ledger.fetch("SELECT type FROM event ORDER BY seq")
    assert [row["type"] for row in types] == [
        "order.created",
        "order.paid",
        "order.reversed",
        "order.paid",
        "order.reversed",
        "order.paid",
    ]


async def test_a_reorganisation_without_transfers_changes_no_order(stall: Stall) -> None:
    async with indexing(stall):
        order = await stall.order()
        stall.mine()
        stall.mine()
        await stall.until_tip()
        stall.model.reorg(2, [(), (), ()])
        await stall.until_tip()
        await stall.check()
    assert await stall.ledger.fetchval("SELECT count(*) FROM event") == 1
    assert await stall.status(order) == "awaiting_payment"


async def test_a_payment_that_a_reorganisation_takes_away_is_reversed(stall: Stall) -> None:
    async with indexing(stall):
        order = await stall.order()
        draft = stall.pay(order)
        stall.mine(draft)
        await stall.until_tip()
        stall.model.reorg(1, [(), ()])
        await stall.until_tip()
        assert await stall.status(order) == "reversed"
        stall.mine(draft)
        await stall.until_tip()
        await stall.check()
    assert await stall.status(order) == "paid"
