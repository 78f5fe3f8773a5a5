"""The start asks each node for a header; one that answers nonsense, or nothing, decides nothing."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any, Self

import aiohttp
import pytest
from test_foreign_encoding import ForeignNode, town_of
from test_many_nodes import SEED, indexing

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from indexer.node import Node
from indexer.rpc import RpcClient
from indexer.self_test import UnprovableChainError, choose_verification
from indexer.source import Source
from indexer.sources import Sources
from ledger.errors import TransientError
from ledger.store.evidence import read_evidence_log
from ledger.store.observation import read_observation
from ledger.verification import Verification


class HeadlessNode(FaultyNode):
    """Leaves out of every block what no chain's header is without."""

    def answer(self, method: str, params: Sequence[Any]) -> Any:
        answer = super().answer(method, params)
        if isinstance(answer, dict):
            answer = {key: value for key, value in answer.items() if key != "receiptsRoot"}
        return answer


class SparseForeignNode(ForeignNode):
    """A foreign chain whose headers also lack a field that Ethereum's have."""

    def answer(self, method: str, params: Sequence[Any]) -> Any:
        answer = super().answer(method, params)
        if isinstance(answer, dict):
            answer = {key: value for key, value in answer.items() if key != "mixHash"}
        return answer


class LoneNode(ForeignNode):
    """Tells other hashes than the other nodes of its chain."""

    @staticmethod
    def _foreign(name: str) -> str:
        return ForeignNode._foreign(ForeignNode._foreign(name))


class Line:
    """Nodes at one chain, in the order in which they are asked, and a connection to each."""

    def __init__(self) -> None:
        self.model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
        self.servers: list[FaultyServer] = []
        self.exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.exits.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.exits.aclose()

    async def sources(self, *kinds: type[FaultyNode], required: int = 2) -> Sources:
        session = await self.exits.enter_async_context(aiohttp.ClientSession())
        sources = []
        for kind in kinds:
            server = await self.exits.enter_async_context(serve(kind(self.model)))
            self.servers.append(server)
            rpc = RpcClient(session, server.http_url, timeout_seconds=5)
            node = Node(rpc, token=self.model.deployment.token)
            sources.append(Source(node, name=server.http_url))
        return Sources(sources, required=required)


@pytest.mark.parametrize(
    ("others", "level"), [(FaultyNode, Verification.FULL), (ForeignNode, Verification.QUORUM)]
)
async def test_a_node_whose_header_cannot_be_read_is_convicted_and_the_others_decide(
    ledger_url: str, others: type[FaultyNode], level: Verification
) -> None:
    model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    nodes = [HeadlessNode(model), others(model), others(model)]
    async with town_of(ledger_url, model, *nodes) as place:
        ledger = place.ledger
        async with indexing(place):
            model.mine([model.pay(model.wallets[1], 5)])

            async def noted() -> bool:
                return await read_observation(ledger, place.chain_id) is not None

            await place.until(noted, "an observation, which evidence precedes")
        observation = await read_observation(ledger, place.chain_id)
        entry = (await read_evidence_log(ledger, place.chain_id, limit=100))[-1]
    assert observation is not None
    assert observation.verification is level
    assert (entry["source"], entry["code"]) == (place.servers[0].http_url, "field_malformed")
    assert "receiptsRoot" in entry["message"]


@pytest.mark.parametrize("fault", ["http_500", "connection_reset", "invalid_json", "rate_limited"])
@pytest.mark.parametrize("silent", [0, 1, 2])
async def test_a_silent_node_does_not_keep_a_living_quorum_from_starting(
    fault: str, silent: int
) -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, ForeignNode, ForeignNode)
        line.servers[silent].node.faults.turn_on(fault)
        assert await choose_verification(sources) is Verification.QUORUM
        assert sources.verification is Verification.QUORUM


async def test_a_node_that_falls_silent_between_the_two_questions_is_passed_over() -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, ForeignNode, ForeignNode)
        answer = line.servers[0].node.answer

        def tell_only_the_newest(method: str, params: Sequence[Any]) -> Any:
            return answer(method, params) if params[0] == "latest" else None

        line.servers[0].node.answer = tell_only_the_newest  # type: ignore[method-assign]
        assert await choose_verification(sources) is Verification.QUORUM


async def test_nodes_that_have_come_to_different_heights_are_compared_at_the_lowest() -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, ForeignNode, ForeignNode)
        for _ in range(3):
            line.model.mine([])
        for behind in (1, 2):
            line.servers[behind].node.faults.turn_on("lagging_node_null", amount=behind)
        assert await choose_verification(sources) is Verification.QUORUM


async def test_fewer_than_a_quorum_are_waited_for() -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, ForeignNode, ForeignNode)
        for server in line.servers[1:]:
            server.node.faults.turn_on("http_500")
        with pytest.raises(TransientError, match="1 of 2 required"):
            await choose_verification(sources)
        assert sources.verification is Verification.FULL


async def test_nodes_that_may_yet_agree_are_waited_for() -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, LoneNode, ForeignNode)
        line.servers[2].node.faults.turn_on("http_500")
        with pytest.raises(TransientError, match="tell the same"):
            await choose_verification(sources)
        line.servers[2].node.faults.turn_off("http_500")
        assert await choose_verification(sources) is Verification.QUORUM


async def test_nodes_of_which_no_two_agree_are_not_believed() -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, LoneNode)
        with pytest.raises(UnprovableChainError, match="do not agree"):
            await choose_verification(sources)


async def test_a_header_that_lacks_a_field_we_do_not_need_is_foreign_and_no_lie() -> None:
    async with Line() as line:
        sources = await line.sources(SparseForeignNode, SparseForeignNode, SparseForeignNode)
        assert await choose_verification(sources) is Verification.QUORUM
        assert sources.evidence == []


async def test_a_node_is_convicted_once_however_often_the_start_is_tried() -> None:
    async with Line() as line:
        sources = await line.sources(HeadlessNode, FaultyNode)
        for _ in range(3):
            assert await choose_verification(sources) is Verification.FULL
        assert [lie.code for lie in sources.evidence] == ["field_malformed"]


async def test_the_level_stays_when_the_start_is_tried_again() -> None:
    async with Line() as line:
        sources = await line.sources(ForeignNode, ForeignNode)
        levels = [await choose_verification(sources) for _ in range(2)]
    assert levels == [Verification.QUORUM] * 2


async def test_where_nothing_is_proven_the_ledger_is_not_begun_on_one_node_s_word() -> None:
    async with Line() as line:
        sources = await line.sources(LoneNode, ForeignNode, ForeignNode)
        assert await choose_verification(sources) is Verification.QUORUM
        agreed = [await source.node.header_by_number(0) for source in sources.all[1:]]
        assert await sources.header_by_number(0) == agreed[0] == agreed[1]
