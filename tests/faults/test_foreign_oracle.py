"""On a chain whose hashes cannot be recomputed the bloom still speaks, and the oracle says so."""

import asyncio
import contextlib
import copy
import time
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import aiohttp
import structlog
from test_foreign_encoding import ForeignNode, town_of
from test_many_nodes import SEED, Town, indexing

from devnet.faulty_node.model import ChainModel
from indexer.settings import IndexerSettings
from ledger.store.observation import read_observation
from oracle_api.application import create_oracle
from oracle_api.server import server_for
from oracle_api.settings import Settings

THIEF = b"\x7e" * 20


class ThievishNode(ForeignNode):
    """Tells of every payment that it went to another address; its headers are the others'."""

    def answer(self, method: str, params: Sequence[Any]) -> Any:
        answer = super().answer(method, params)
        if method != "eth_getBlockReceipts" or not isinstance(answer, list):
            return answer
        spoilt = copy.deepcopy(answer)
        for receipt in spoilt:
            for log in receipt["logs"]:
                log["topics"][2:3] = ["0x" + (bytes(12) + THIEF).hex()]
        return spoilt


def foreign_town(
    ledger_url: str, *kinds: type[ForeignNode]
) -> contextlib.AbstractAsyncContextManager[Town]:
    """These nodes on one foreign chain, and a ledger."""
    model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    return town_of(ledger_url, model, *(kind(model) for kind in kinds))


@contextlib.asynccontextmanager
async def oracle_of(settings: IndexerSettings) -> AsyncIterator[str]:
    """The URL of an oracle that serves the indexer's ledger."""
    told = Settings(
        DATABASE_URL=settings.database_url,
        chain_id=settings.chain_id,
        token_address=settings.token_address,
        vault_factory_address=settings.vault_factory_address,
        vault_implementation_address=settings.vault_implementation_address,
        treasury_address=settings.treasury_address,
        oracle_port=0,
        access="open",
    )
    server = server_for(create_oracle(told), told, loop="asyncio")
    # Signals belong to pytest.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.005)
        yield f"http://{server.addresses[0]}"
    finally:
        server.should_exit = True
        await running


async def until_noted(place: Town) -> None:
    """Wait until payments, and afterwards what the nodes were seen to do, are in the ledger."""

    async def noted() -> bool:
        count = await place.ledger.fetchval("SELECT count(*) FROM transfer WHERE amount = 5")
        return bool(count) and await read_observation(place.ledger, place.chain_id) is not None

    await place.until(noted, "a payment and an observation")


async def validated(url: str, tx_hash: bytes) -> dict[str, Any]:
    """The oracle's answer about a transaction."""
    asked = {"txHash": "0x" + tx_hash.hex(), "expectedAmount": "0.25"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v1/payments/validate", json=asked) as reply,
    ):
        return dict(await reply.json())


async def test_the_log_and_every_verdict_say_that_a_quorum_is_believed(ledger_url: str) -> None:
    kinds = [ForeignNode] * 3
    with structlog.testing.capture_logs() as logged:
        async with foreign_town(ledger_url, *kinds) as place, indexing(place):
            model = place.honest
            seconds = int(time.time()) - model.head.timestamp  # or the chain had stalled
            model.mine([model.pay(model.wallets[1], 5)], seconds=seconds)
            await until_noted(place)
            paid = await place.ledger.fetchval("SELECT tx_hash FROM transfer WHERE amount = 5")
            async with oracle_of(place.settings) as url:
                answer = await validated(url, paid)
    assert "verdict" in answer, answer
    assert answer["verdict"]["verification"] == "quorum"
    assert answer["verdict"]["nodesAsked"] == 3
    degraded = [line for line in logged if line["event"] == "verification_degraded"]
    assert [(line["log_level"], line["to"], line["required"]) for line in degraded] == [
        ("warning", "quorum", 2)
    ]


async def test_who_tells_a_log_that_is_not_in_the_bloom_is_convicted(ledger_url: str) -> None:
    async with foreign_town(ledger_url, ThievishNode, ForeignNode, ForeignNode) as place:
        async with indexing(place):
            place.mine()
            await until_noted(place)
            assert "bloom" in await place.lies()
        recipients = await place.ledger.fetch("SELECT DISTINCT recipient FROM transfer")
    assert recipients
    assert THIEF not in {row["recipient"] for row in recipients}


async def test_even_a_quorum_is_not_believed_against_the_bloom(ledger_url: str) -> None:
    """Two of three lie alike, so that by their number alone they would be believed."""
    async with foreign_town(ledger_url, ThievishNode, ThievishNode, ForeignNode) as place:
        async with indexing(place):
            place.mine()

            async def both_caught() -> bool:
                sources = await place.ledger.fetch(
                    "SELECT DISTINCT source FROM evidence WHERE code = 'bloom'"
                )
                return len(sources) == 2

            await place.until(both_caught, "the conviction of both")
        assert await place.ledger.fetchval("SELECT count(*) FROM transfer") == 0
