"""Blocks that prove and yet never were: anybody can hash a block of their own onto our tip."""

import asyncio
from random import Random

import pytest
from test_many_nodes import SEED, indexing, town

from devnet.faulty_node.model import ChainModel
from indexer.history import take_in_history
from indexer.lead import open_sources
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.store.cursor import read_cursor, register
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


@pytest.mark.parametrize("is_told_by_odd", [True, False], ids=["the odd node's", "an honest one's"])
async def test_history_that_one_node_alone_tells_is_not_taken_in(
    ledger_url: str, *, is_told_by_odd: bool
) -> None:
    """It claims the final block that the others have, and tells another way to it."""
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place, open_sources(place.settings) as sources:
        place.mine(150)
        final = place.honest.at(140)
        assert final is not None
        odd.reorg(148, [[odd.pay(odd.wallets[2], MADE_UP_UNITS)]] * 148)
        odd._canonical[140] = final  # at this height it shows the others' block, to be asked at all
        for source, model in zip(sources.all, place.models, strict=True):
            source.health.head = BlockRef(model.head.number, model.head.hash)
            is_odd = model is odd
            source.health.latency_seconds = 0.0 if is_odd == is_told_by_odd else 9.0
        anchor = await sources.header_by_number(1)
        async with place.ledger.transaction():
            await register(place.ledger, place.honest.deployment, anchor=anchor)
        cursor = await read_cursor(place.ledger, place.chain_id)
        assert cursor is not None
        work = take_in_history(
            place.ledger,
            sources,
            cursor,
            chain_id=place.chain_id,
            until=BlockRef(final.number, final.hash),
        )
        if is_told_by_odd:
            with pytest.raises(TransientError):
                await work
            assert await place.ledger.fetchval("SELECT count(*) FROM transfer") == 0
        else:
            assert (await work).tip.hash == final.hash
