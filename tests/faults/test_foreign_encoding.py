"""A chain whose header hashes cannot be recomputed: said at the start, and never called full."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import pytest
from test_many_nodes import SEED, Town, indexing

from devnet.faulty_node.bloom import BloomKind
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import serve
from indexer.self_test import UnprovableChainError
from indexer.settings import IndexerSettings
from ledger.keccak import keccak256
from ledger.store.observation import read_observation
from ledger.store.pool import connect
from ledger.verification import Verification

_HASH_FIELDS = ("hash", "parentHash", "blockHash")


class ForeignNode(FaultyNode):
    """Hashes its headers in a way of its own, consistently: every block has another name here."""

    def answer(self, method: str, params: Sequence[Any]) -> Any:
        ours = {self._foreign(name): name for name in self._names()}
        asked = [ours.get(item, item) if isinstance(item, str) else item for item in params]
        return self._renamed(super().answer(method, asked))

    def _names(self) -> list[str]:
        return ["0x" + block_hash.hex() for block_hash in self.model.blocks]

    @staticmethod
    def _foreign(name: str) -> str:
        return "0x" + keccak256(b"another encoding" + bytes.fromhex(name[2:])).hex()

    def _renamed(self, answer: Any) -> Any:
        names = set(self._names())
        if isinstance(answer, list):
            return [self._renamed(item) for item in answer]
        if not isinstance(answer, dict):
            return answer
        return {
            key: self._foreign(value)
            if key in _HASH_FIELDS and value in names
            else self._renamed(value)
            for key, value in answer.items()
        }


def settings_of(model: ChainModel, ledger_url: str, urls: list[str]) -> IndexerSettings:
    deployment = model.deployment
    return IndexerSettings(
        DATABASE_URL=ledger_url,
        chain_id=deployment.chain_id,
        token_address="0x" + deployment.token.hex(),
        vault_factory_address="0x" + deployment.vault_factory.hex(),
        vault_implementation_address="0x" + deployment.vault_implementation.hex(),
        treasury_address="0x" + deployment.treasury.hex(),
        node_http_url=",".join(urls),
        start_block=1,
        block_time_seconds=0.3,
    )


@contextlib.asynccontextmanager
async def town_of(ledger_url: str, model: ChainModel, *nodes: FaultyNode) -> AsyncIterator[Town]:
    """These nodes on one chain, over HTTP alone, and a ledger."""
    async with AsyncExitStack() as exits:
        servers = [await exits.enter_async_context(serve(node)) for node in nodes]
        ledger = await connect(ledger_url, application_name="test")
        exits.push_async_callback(ledger.close)
        urls = [server.http_url for server in servers]
        # The odd one and two honest ones, of which there may be fewer nodes.
        yield Town([model] * 3, servers, ledger, settings_of(model, ledger_url, urls))


@pytest.mark.parametrize("bloom", list(BloomKind))
async def test_a_quorum_is_believed_and_every_answer_says_so(
    ledger_url: str, bloom: BloomKind
) -> None:
    model = ChainModel(Random(SEED), bloom_kind=bloom)  # noqa: S311 - wants repeating
    nodes = [ForeignNode(model) for _ in range(3)]
    async with town_of(ledger_url, model, *nodes) as place:
        ledger = place.ledger
        async with indexing(place) as task:
            model.mine([model.pay(model.wallets[1], 5)])

            async def applied() -> bool:
                assert not task.done(), task.exception()
                count = await ledger.fetchval("SELECT count(*) FROM transfer WHERE amount = 5")
                observation = await read_observation(ledger, place.chain_id)
                return bool(count) and observation is not None

            await place.until(applied, "the payment in the ledger")
            place.faulty.faults.turn_on("forged_transfer")
            for _ in range(3):
                model.mine([model.pay(model.wallets[1], 5)])

            async def all_applied() -> bool:
                return await ledger.fetchval("SELECT count(*) FROM transfer WHERE amount = 5") == 4

            await place.until(all_applied, "the later payments in the ledger")
        observation = await read_observation(ledger, place.chain_id)
        assert observation is not None
        assert observation.verification is Verification.QUORUM
        # The minority's forged transfer is in no row.
        assert await ledger.fetchval(
            "SELECT count(*) FROM transfer WHERE block_number > 1"
        ) == await ledger.fetchval("SELECT count(*) FROM transfer WHERE amount = 5")


async def test_a_single_such_node_is_not_believed(ledger_url: str) -> None:
    model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town_of(ledger_url, model, ForeignNode(model)) as place:
        async with indexing(place) as task:
            with pytest.raises(UnprovableChainError, match="BILLCOIN_NODES_REQUIRED"):
                await asyncio.wait_for(asyncio.shield(task), 20)
        assert await place.ledger.fetchval("SELECT count(*) FROM block") == 0


async def test_a_single_liar_among_honest_nodes_does_not_degrade_the_others(
    ledger_url: str,
) -> None:
    model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    nodes = [ForeignNode(model), FaultyNode(model), FaultyNode(model)]
    async with town_of(ledger_url, model, *nodes) as place:
        async with indexing(place):
            place.mine(2)
            await place.until_tip()

            async def noted() -> bool:
                return await read_observation(place.ledger, place.chain_id) is not None

            await place.until(noted, "an observation")
        observation = await read_observation(place.ledger, place.chain_id)
    assert observation is not None
    assert observation.verification is Verification.FULL
