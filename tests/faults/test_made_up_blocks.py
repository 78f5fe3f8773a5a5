"""Blocks that prove and yet never were: anybody can hash a block of their own onto our tip."""

import asyncio
from random import Random

import pytest
from test_many_nodes import SEED, indexing, town

from devnet.faulty_node.model import ChainModel
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
