"""What an honest node answers while its chain changes is no lie."""

# ruff: noqa: S311 - a test wants the same numbers each time

import asyncio
import gc
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from in_process import InProcessClient

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from indexer import sources as sources_module
from indexer.node import Node
from indexer.rpc import NotThereYetError
from indexer.source import Source
from indexer.sources import Sources


class ReorganisingClient(InProcessClient):
    """Its chain changes between the answers for a block and for its receipts."""

    def __init__(self, node: FaultyNode) -> None:
        super().__init__(node)
        self._model = node.model

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        if method == "eth_getBlockReceipts":
            await asyncio.sleep(0.01)
            self._model.reorg(1, [[self._model.pay(bytes(20), 7)]])
        return await super().call(method, params)


def _source(client: Any, model: ChainModel) -> Source:
    return Source(Node(client, token=model.deployment.token), name=client.url)


async def test_answers_from_before_and_after_a_reorganisation_convict_nobody() -> None:
    model = ChainModel(Random(1))
    model.mine([model.pay(bytes(20), 5)])
    client: Any = ReorganisingClient(FaultyNode(model))
    source = _source(client, model)
    with pytest.raises(NotThereYetError):
        await Sources([source], required=1).block_by_number(2)
    assert source.health.lies == 0
    assert not source.is_quarantined


class HeldClient(InProcessClient):
    """Answers no sooner than it is let."""

    def __init__(self, node: FaultyNode, gate: asyncio.Event) -> None:
        super().__init__(node)
        self._gate = gate

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        await self._gate.wait()
        return await super().call(method, params)


async def test_a_node_that_fails_at_the_moment_another_answers_leaves_no_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sources_module, "HEDGE_SECONDS", 0.001)
    model = ChainModel(Random(1))
    model.mine([model.pay(bytes(20), 5)])
    broken, sound = FaultyNode(model), FaultyNode(model)
    broken.faults.turn_on("wrong_header")
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: complaints.append(told))
    for _ in range(20):  # which of the two is looked at first is chance
        gate = asyncio.Event()
        clients: list[Any] = [HeldClient(broken, gate), HeldClient(sound, gate)]
        sources = Sources([_source(client, model) for client in clients], required=1)
        asking = asyncio.create_task(sources.block_by_number(2))
        await asyncio.sleep(0.02)  # both are asked by now
        gate.set()
        assert (await asking).header.hash == model.head.hash
        del asking
    gc.collect()
    assert complaints == []
