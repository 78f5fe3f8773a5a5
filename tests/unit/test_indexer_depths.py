"""What a quorum of nodes calls final, and the log line when they contradict each other."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
import structlog

from indexer.depths import agreed_depth
from indexer.node import Node
from indexer.source import Source
from ledger.chain import BlockRef

FORK = 4
"""Up to here both chains are the same."""


def block(number: int, chain: str = "a") -> BlockRef:
    return BlockRef(number, (chain if number > FORK else "a").encode() * 32)


def sources(*names: str) -> list[Source]:
    return [Source(cast("Node", None), name) for name in names]


class Town:
    """Nodes of which each is on the chain of what it calls final, and knows all blocks below."""

    def __init__(self, chains: dict[Source, str]) -> None:
        self.chains = chains
        self.asked = 0

    async def opinions(
        self, one: BlockRef, among: Sequence[Source]
    ) -> tuple[list[Source], list[Source]]:
        self.asked += len(among)
        holding = [source for source in among if block(one.number, self.chains[source]) == one]
        return holding, [source for source in among if source not in holding]


Told = tuple[int, str] | None


async def agree(told: Sequence[Told], required: int) -> tuple[BlockRef | None, int]:
    """What is agreed on, and how often a node was asked for a block of its own."""
    named = sources(*(f"node {place}" for place in range(len(told))))
    claims = {source: block(*one) if one else None for source, one in zip(named, told, strict=True)}
    town = Town({source: one[1] for source, one in zip(named, told, strict=True) if one})
    found = await agreed_depth("finalized", claims, required=required, opinions=town.opinions)
    return found, town.asked


A9, A7, A5, A3 = ((number, "a") for number in (9, 7, 5, 3))
B9, B7, B5, B3 = ((number, "b") for number in (9, 7, 5, 3))


@pytest.mark.parametrize(
    ("told", "required", "agreed"),
    [
        ([A9], 1, A9),
        ([A9, A7, A5], 1, A9),
        ([A9, A7, A5], 2, A7),
        ([A9, A7, A5], 3, A5),
        ([A9, None, A5], 2, A5),
        ([A9, None, None], 2, None),
        ([B9, A9, A9], 2, A9),
        ([A9, B9, A5], 2, A5),
        ([A9, B9], 2, None),
    ],
)
async def test_it_is_the_highest_block_that_so_many_have_reached(
    told: list[Told], required: int, agreed: Told
) -> None:
    found, _ = await agree(told, required)
    assert found == (block(*agreed) if agreed else None)


@pytest.mark.parametrize(
    ("told", "required", "agreed"),
    [
        # Who is past a block on another chain does not vouch for it: the one alone is not enough.
        ([B9, A7], 2, None),
        ([B9, A7, A5], 2, A5),
        ([B9, A7, None], 2, None),
        # Who names a block of another chain between two keeps neither from counting.
        ([A9, B7, A5], 2, A5),
        ([A9, B7, A7], 2, A7),
        # All are past what both chains have.
        ([A9, B7, A3], 3, A3),
        ([B9, B7, A9, A5], 3, None),
        ([B9, B7, A9, A5], 2, B7),
    ],
)
async def test_who_is_past_it_on_another_chain_does_not_count(
    told: list[Told], required: int, agreed: Told
) -> None:
    found, _ = await agree(told, required)
    assert found == (block(*agreed) if agreed else None)


@pytest.mark.parametrize(
    ("told", "required", "asked"),
    [([A9], 1, 0), ([A9, A9, A5], 2, 0), ([A9, A7, A7], 2, 0), ([A9, A7, A5], 2, 1)],
)
async def test_nobody_is_asked_where_enough_have_named_it(
    told: list[Told], required: int, asked: int
) -> None:
    assert (await agree(told, required))[1] == asked


async def logged(*told: Told) -> list[Any]:
    with structlog.testing.capture_logs() as lines:
        await agree(told, 2)
    return list(lines)


@pytest.mark.parametrize("other", [B9, B7])
async def test_who_contradicts_whom_is_in_the_log(other: Told) -> None:
    assert other is not None
    assert await logged(A9, other, A5, None) == [
        {
            "event": "depths_disagree",
            "log_level": "warning",
            "depth": "finalized",
            "claims": {
                "node 0": "9 0x" + "61" * 32,
                "node 1": f"{other[0]} 0x" + "62" * 32,
                "node 2": "5 0x" + "61" * 32,
            },
            "required": 2,
        }
    ]


async def test_nodes_that_are_only_ahead_of_each_other_do_not_disagree() -> None:
    assert await logged(A9, A5, A5) == []
    assert await logged(A9, A7, A5) == []
