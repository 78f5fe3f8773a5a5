"""Blocks that prove and yet never were: anybody can hash a block of their own onto our tip."""

import asyncio
from random import Random

import pytest
from test_many_nodes import SEED, indexing, town

from devnet.faulty_node.model import ChainModel
from indexer import history
from ledger.store.observation import read_observation

MADE_UP_UNITS = 777


@pytest.mark.parametrize("count", [1, 100])
async def test_what_one_node_alone_grows_on_the_tip_pays_nothing(
    ledger_url: str, count: int
) -> None:
    """Its hashes are right, so only the other nodes can tell; a till must not see "Paid" first."""
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place:
        async with indexing(place):
            place.mine(2)
            await place.until_tip()
            for _ in range(count):
                odd.mine([odd.pay(odd.wallets[2], MADE_UP_UNITS)])
            await asyncio.sleep(1.5)
            honest_number = place.honest.head.number
            observation = await read_observation(place.ledger, place.chain_id)
            for _ in range(3):
                place.honest.mine([])
                await place.until_tip()
        amounts = await place.ledger.fetch("SELECT DISTINCT amount FROM transfer")
        retracted = await place.ledger.fetchval("SELECT count(*) FROM block WHERE NOT canonical")
    assert MADE_UP_UNITS not in {row["amount"] for row in amounts}
    assert retracted == 0
    # Or one node's word would make the ledger look behind, and the oracle refuse every till.
    assert observation is not None
    assert observation.head_number == honest_number


async def test_history_that_one_node_alone_tells_is_not_taken_in(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It claims the final block that the others have, and tells another way to it."""
    monkeypatch.setattr(history, "LONG_WAY_BLOCKS", 5)
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place:
        place.mine(40)
        place.honest.declare(safe=38, finalized=36)
        true_final = place.honest.at(36)
        assert true_final is not None
        odd.reorg(38, [[odd.pay(odd.wallets[2], MADE_UP_UNITS)]] * 38)
        # At the final height it shows the others' block, so that it is chosen to be asked.
        odd._canonical[36] = true_final
        async with indexing(place):
            await place.until_tip()
        amounts = await place.ledger.fetch("SELECT DISTINCT amount FROM transfer")
    assert MADE_UP_UNITS not in {row["amount"] for row in amounts}
