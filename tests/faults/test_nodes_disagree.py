"""Where too few nodes agree nothing moves, and the log names the nodes on both sides."""

from collections.abc import MutableMapping, Sequence
from random import Random
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY
from test_many_nodes import SEED, Town, indexing, town

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import ChainModel
from indexer.branch import Branch
from indexer.lead import open_sources
from indexer.quorum import is_confirmed
from indexer.rpc import NodeUnreachableError
from ledger.chain import BlockRef
from ledger.store.cursor import Cursor
from ledger.store.observation import read_observation

Logged = Sequence[MutableMapping[str, Any]]


def another_chain() -> ChainModel:
    """One that has nothing above block 1 in common with the town's."""
    model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    model.mine([model.pay(model.wallets[3], 7)])
    return model


def ref(block: ModelBlock) -> BlockRef:
    return BlockRef(block.number, block.hash)


def last(logged: Logged, event: str) -> dict[str, Any]:
    return dict([line for line in logged if line["event"] == event][-1])


def agreeing(place: Town) -> list[float | None]:
    """The metric of each node, in the town's order."""
    return [
        REGISTRY.get_sample_value("billcoin_node_agrees", {"node": server.http_url})
        for server in place.servers
    ]


async def test_a_tip_that_too_few_nodes_have_is_told_with_their_names(ledger_url: str) -> None:
    """One node is on another chain and one falls out: of two that are required, one is left."""
    async with town(ledger_url, odd=another_chain()) as place:
        odd, left, _ = [server.http_url for server in place.servers]
        with structlog.testing.capture_logs() as logged:
            async with indexing(place):
                place.mine(3)
                await place.until_tip()
                place.servers[2].node.faults.turn_on("http_500")

                async def is_told() -> bool:
                    seen = await read_observation(place.ledger, place.chain_id)
                    return seen is not None and seen.nodes_agreeing == 1

                await place.until(is_told, "the oracle to be told that one node agrees")
                assert agreeing(place) == [0, 1, 0]
                assert REGISTRY.get_sample_value("billcoin_nodes_agreeing") == 1
                assert REGISTRY.get_sample_value("billcoin_nodes_required") == 2
    told = last(logged, "nodes_disagree")
    assert (told["log_level"], told["tip"], told["required"]) == ("warning", 4, 2)
    assert (told["agreeing"], told["others"]) == ([left], [odd])


async def test_a_branch_of_too_few_nodes_is_told_with_their_names(ledger_url: str) -> None:
    async with town(ledger_url, odd=another_chain()) as place:
        place.mine(2)
        fork = place.honest.at(1)
        assert fork is not None
        cursor = Cursor(ref(place.honest.head), place.honest.head.timestamp, 0, ref(fork))
        async with open_sources(place.settings) as sources:
            blocks = [await sources.all[0].node.block_by_number(number) for number in (2, 3, 4)]
            with structlog.testing.capture_logs() as logged:
                assert not await is_confirmed(sources, Branch(ref(fork), tuple(blocks)), cursor)
    told = last(logged, "minority_branch")
    assert told["backers"] == [place.servers[0].http_url]
    assert (told["fork"], told["retracts"], told["required"]) == (1, 2, 2)


async def test_who_calls_other_blocks_final_is_told_and_the_quorum_decides(
    ledger_url: str,
) -> None:
    async with town(ledger_url, odd=another_chain()) as place:
        place.mine(6)
        for model in place.models:
            model.declare(safe=5, finalized=4)
        with structlog.testing.capture_logs() as logged:
            async with open_sources(place.settings) as sources:
                depth = await sources.depth()
    assert (depth.safe, depth.finalized) == (ref(place.honest.safe), ref(place.honest.finalized))
    assert {line["depth"] for line in logged if line["event"] == "depths_disagree"} == {
        "safe",
        "finalized",
    }
    told = last(logged, "depths_disagree")
    assert told["claims"] == {
        server.http_url: f"4 0x{model.finalized.hash.hex()}"
        for server, model in zip(place.servers, place.models, strict=True)
    }


async def test_a_higher_block_of_another_chain_vouches_for_none_of_ours(ledger_url: str) -> None:
    """Two nodes answer; what one alone calls final is not, however far the other one is."""
    async with town(ledger_url, odd=another_chain()) as place:
        place.mine(6)
        odd, honest, _ = place.models
        honest.declare(safe=3, finalized=2)
        odd.declare(safe=6, finalized=5)
        place.servers[2].node.faults.turn_on("http_500")
        with structlog.testing.capture_logs() as logged:
            async with open_sources(place.settings) as sources:
                depth = await sources.depth()
    assert (depth.safe, depth.finalized) == (None, None)
    disputed = sorted(line["depth"] for line in logged if line["event"] == "depths_disagree")
    assert disputed == ["finalized", "safe"]


async def test_without_a_quorum_nothing_becomes_safe_or_final(ledger_url: str) -> None:
    """Two nodes answer, and call different blocks of one height final."""
    async with town(ledger_url, odd=another_chain()) as place:
        with structlog.testing.capture_logs() as logged:
            async with indexing(place):
                place.mine(6)
                await place.until_tip()
                place.servers[2].node.faults.turn_on("http_500")
                for model in place.models:
                    model.declare(safe=5, finalized=4)

                async def is_told() -> bool:
                    return any(
                        line["event"] == "depths_disagree" and len(line["claims"]) == 2
                        for line in logged
                    )

                await place.until(is_told, "the log line about what is final")
                for _ in range(2):
                    await until_observed_again(place)  # which it does when it has deepened
        row = await place.ledger.fetchrow("SELECT safe_number, finalized_number FROM chain")
    assert row is not None
    assert tuple(row) == (0, 0)


async def until_observed_again(place: Town) -> None:
    async def checked_at() -> float | None:
        seen = await read_observation(place.ledger, place.chain_id)
        return None if seen is None else seen.checked_at

    before = await checked_at()

    async def is_newer() -> bool:
        return await checked_at() != before

    await place.until(is_newer, "the next observation")


async def test_who_does_not_tell_what_is_final_is_named(ledger_url: str) -> None:
    async with town(ledger_url) as place:
        place.mine()
        for server in place.servers[1:]:
            server.node.faults.turn_on("http_500")
        silent = sorted(server.http_url for server in place.servers[1:])
        async with open_sources(place.settings) as sources:
            with pytest.raises(NodeUnreachableError) as refused:
                await sources.depth()
    assert str(refused.value) == (
        f"1 of 2 required nodes tell what is finalized; {', '.join(silent)} did not"
    )
