"""Each fault of a node by its name: the real indexer rides it out, and no wrong row is written."""

from collections.abc import AsyncIterator

import pytest
from stall import Stall, indexing, lookalikes_for, open_stall

from devnet.faulty_node.catalogue import BY_NAME
from devnet.faulty_node.model import ChainModel
from indexer import source
from ledger.store.pool import Connection

# How often each strikes before the node is well again, and how strongly.
RIDDEN_OUT = {
    "lagging_node_null": (6, 1),
    "lagging_node_empty": (6, 1),
    "socket_ahead_of_http": (6, 1),
    "syncing_node": (6, 3),
    "flipping_head": (12, 2),
    "pruned_history": (3, 0),
    "receipts_by_height_only": (None, None),
    "unknown_hash_empty": (3, None),
    "head_before_receipts": (3, None),
    "receipts_of_another_block": (3, None),
    "another_block": (3, None),
    "truncated_results": (3, None),
    "receipts_wrong": (3, None),
    "forged_transfer": (3, None),
    "wrong_header": (3, None),
    "duplicate_log_index": (3, None),
    "missing_log_index": (3, None),
    "removed_log": (3, None),
    "wrong_transaction_hash": (3, None),
    "reorg_during_fetch": (2, 2),
    "heads_skipped": (2, None),
    "head_twice": (2, None),
    "lower_head": (2, 2),
    "socket_on_another_branch": (1, None),
    "malformed_head": (3, None),
    "subscription_silent": (None, None),
    "rate_limited": (2, 1),
    "connection_reset": (3, None),
    "slow_answer": (2, 5),
    "http_500": (3, None),
    "invalid_json": (3, None),
    "error_object": (3, None),
    "huge_answer": (2, None),
}
# These have tests of their own, in test_special_faults.py.
SPECIAL = {
    "reorg_past_what_we_keep",
    "wrong_chain_id",
    "fake_deep_reorg",
    "finality_overstated",
    "getlogs_omits_log",
}


@pytest.fixture
async def stall(
    witnessed_ledger: Connection, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stall]:
    # A lone node that has lied once would be asked nothing of importance for half a minute.
    monkeypatch.setattr(source, "QUARANTINE_SECONDS", 0.05)
    async with open_stall(witnessed_ledger, ledger_url) as opened:
        yield opened


def test_every_fault_has_a_test() -> None:
    assert RIDDEN_OUT.keys() | SPECIAL == BY_NAME.keys()


@pytest.mark.parametrize("name", RIDDEN_OUT)
async def test_the_indexer_rides_out(stall: Stall, name: str) -> None:
    times, amount = RIDDEN_OUT[name]
    async with indexing(stall):
        milk, cheese, never = [await stall.order() for _ in range(3)]
        stall.mine(stall.pay(milk))
        await stall.until_tip()
        stall.faults.turn_on(name, times=times, amount=amount)
        stall.mine(*lookalikes_for(stall, [never]), stall.pay(cheese), stall.pay(milk))
        await stall.until_struck(name)
        stall.mine(stall.model.pay(stall.model.deployment.treasury, 7))
        await _reorganise(stall.model)
        await stall.until_struck(name, times or 2)
        await stall.check()
        stall.faults.clear()
        stall.mine()
        await stall.until_tip()
        await stall.check()
    await stall.check_against_the_honest_node()
    assert [await stall.status(order) for order in (milk, cheese, never)] == [
        "paid",
        "paid",
        "awaiting_payment",
    ]


async def _reorganise(model: ChainModel) -> None:
    """Put the newest block's contents one block later, on another branch."""
    model.reorg(1, [(), model.head.drafts])
