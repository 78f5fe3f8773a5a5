"""Three nodes, a quorum of two: one of them may fail in any way, and nothing comes of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import pytest
from prometheus_client import REGISTRY

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from indexer.lead import lead_forever
from indexer.settings import IndexerSettings
from ledger.chain import FinalityConflictError
from ledger.store.evidence import read_evidence_log
from ledger.store.observation import read_observation
from ledger.store.pool import Connection, connect

PATIENCE_SECONDS = 20.0
SEED = 3


@dataclass
class Town:
    """Three nodes and a ledger; the first node is the odd one, which misbehaves."""

    models: list[ChainModel]
    servers: list[FaultyServer]
    ledger: Connection
    settings: IndexerSettings

    @property
    def honest(self) -> ChainModel:
        return self.models[1]

    @property
    def faulty(self) -> FaultyNode:
        return self.servers[0].node

    @property
    def chain_id(self) -> int:
        return self.honest.deployment.chain_id

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, f"waited in vain for: {what}"
            await asyncio.sleep(0.02)

    async def until_tip(self) -> None:
        """Wait until the ledger stands on the honest nodes' head."""

        async def reached() -> bool:
            tip = await self.ledger.fetchval("SELECT tip_hash FROM chain")
            return tip == self.honest.head.hash

        await self.until(reached, f"tip {self.honest.head.number} of the honest nodes")

    async def lies(self) -> list[str]:
        log = await read_evidence_log(self.ledger, self.chain_id, limit=100)
        return [entry["code"] for entry in log]

    def mine(self, count: int = 1) -> None:
        for model in dict.fromkeys(self.models):
            for _ in range(count):
                model.mine([model.pay(model.wallets[1], 5)])


@contextlib.asynccontextmanager
async def town(ledger_url: str, *, odd: ChainModel | None = None) -> AsyncIterator[Town]:
    """Two honest nodes on one chain; the odd one on the same, or on its own."""
    model = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    models = [odd or model, model, model]
    async with AsyncExitStack() as exits:
        servers = [await exits.enter_async_context(serve(FaultyNode(served))) for served in models]
        ledger = await connect(ledger_url, application_name="test")
        exits.push_async_callback(ledger.close)
        deployment = model.deployment
        settings = IndexerSettings(
            DATABASE_URL=ledger_url,
            chain_id=deployment.chain_id,
            token_address="0x" + deployment.token.hex(),
            vault_factory_address="0x" + deployment.vault_factory.hex(),
            vault_implementation_address="0x" + deployment.vault_implementation.hex(),
            treasury_address="0x" + deployment.treasury.hex(),
            node_http_url=",".join(server.http_url for server in servers),
            node_ws_url=",".join(server.ws_url for server in servers),
            start_block=1,
            block_time_seconds=0.3,
            request_timeout_seconds=3.0,
        )
        yield Town(models, servers, ledger, settings)


@contextlib.asynccontextmanager
async def indexing(place: Town) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(lead_forever(place.settings))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "fault",
    [
        "receipts_wrong",
        "forged_transfer",
        "receipts_of_another_block",
        "wrong_header",
        "truncated_results",
        "duplicate_log_index",
        "removed_log",
    ],
)
async def test_a_lying_node_is_quarantined_with_evidence_and_the_others_serve(
    ledger_url: str, fault: str
) -> None:
    async with town(ledger_url) as place:
        place.faulty.faults.turn_on(fault)
        async with indexing(place):

            async def caught() -> bool:
                place.mine()
                await place.until_tip()
                await asyncio.sleep(0.05)
                return bool(await place.lies())

            await place.until(caught, "evidence")
            place.mine(5)
            await place.until_tip()
        entry = (await read_evidence_log(place.ledger, place.chain_id, limit=1))[0]
        amounts = await place.ledger.fetch("SELECT amount FROM transfer WHERE block_number > 1")
    assert {row["amount"] for row in amounts} == {5}
    assert entry["source"] == place.servers[0].http_url
    assert entry["code"]


@pytest.mark.parametrize("fault", ["http_500", "connection_reset", "invalid_json", "slow_answer"])
async def test_a_broken_node_hides_no_other(ledger_url: str, fault: str) -> None:
    async with town(ledger_url) as place, indexing(place):
        place.mine()
        await place.until_tip()
        place.faulty.faults.turn_on(fault)
        for _ in range(5):
            place.mine()
            await place.until_tip()


async def test_a_rate_limited_node_is_left_alone_as_long_as_it_asks(ledger_url: str) -> None:
    async with town(ledger_url) as place:
        async with indexing(place):
            place.mine()
            await place.until_tip()
            place.faulty.faults.turn_on("rate_limited", amount=30)
            for _ in range(5):
                place.mine()
                await place.until_tip()
            await asyncio.sleep(0.5)  # for the requests that were under way
            struck = place.faulty.faults.injected["rate_limited"]
            place.mine(5)
            await place.until_tip()
        # The requests that were under way when it began to refuse; then none for 30 seconds.
        assert place.faulty.faults.injected["rate_limited"] == struck


async def test_a_minority_s_branch_is_not_followed(ledger_url: str) -> None:
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place:
        async with indexing(place):
            place.mine(3)
            odd.reorg(2, [[odd.pay(odd.wallets[2], 1)]] * 4)
            assert odd.head.number > place.honest.head.number
            await asyncio.sleep(1.0)
            place.mine()
            await place.until_tip()
        retracted = await place.ledger.fetchval("SELECT count(*) FROM block WHERE NOT canonical")
    assert retracted == 0


@pytest.mark.parametrize("length", [3, 100])
async def test_the_quorum_s_branch_is_followed(ledger_url: str, length: int) -> None:
    async with town(ledger_url) as place:
        async with indexing(place):
            place.mine(4)
            await place.until_tip()
            place.honest.reorg(2, [[]] * length)
            await place.until_tip()
        assert await place.lies() == []
        assert await place.ledger.fetchval("SELECT count(*) FROM block WHERE NOT canonical") == 2


async def test_finality_takes_the_quorum(ledger_url: str) -> None:
    async with town(ledger_url) as place:
        place.faulty.faults.turn_on("finality_overstated")
        async with indexing(place):
            place.mine(6)
            place.honest.declare(safe=4, finalized=2)
            await place.until_tip()

            async def finalized() -> bool:
                place.mine()
                await place.until_tip()
                return bool(await place.ledger.fetchval("SELECT finalized_number = 2 FROM chain"))

            await place.until(finalized, "two nodes' finality")
            assert await place.ledger.fetchval("SELECT safe_number FROM chain") == 4


async def test_nodes_that_disagree_are_told_to_the_oracle(ledger_url: str) -> None:
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place:
        odd.reorg(1, [[odd.pay(odd.wallets[3], 7)]])  # from block 1 on: another chain
        async with indexing(place):
            place.mine(2)
            await place.until_tip()

            async def counted() -> bool:
                place.mine()
                observation = await read_observation(place.ledger, place.chain_id)
                return observation is not None and observation.nodes_agreeing == 2

            await place.until(counted, "two of three nodes agreeing")
            agrees = [
                REGISTRY.get_sample_value("billcoin_node_agrees", {"node": server.http_url})
                for server in place.servers
            ]
            assert agrees == [0, 1, 1]
        observation = await read_observation(place.ledger, place.chain_id)
    assert observation is not None
    assert observation.nodes_asked == 3


async def test_a_minority_against_finality_is_convicted_and_the_rest_goes_on(
    ledger_url: str,
) -> None:
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place:
        async with indexing(place) as task:
            place.mine(5)
            place.honest.declare(safe=4, finalized=4)
            await place.until_tip()

            async def is_final() -> bool:
                return bool(await place.ledger.fetchval("SELECT finalized_number = 4 FROM chain"))

            await place.until(is_final, "finality")
            odd.reorg(4, [[]] * 8)

            async def convicted() -> bool:
                place.mine()
                await place.until_tip()
                return "finality_conflict" in await place.lies()

            await place.until(convicted, "the conviction")
            assert not task.done()
        observation = await read_observation(place.ledger, place.chain_id)
    assert observation is not None
    assert observation.halt_code is None


async def test_a_quorum_against_finality_halts(ledger_url: str) -> None:
    async with town(ledger_url) as place:
        async with indexing(place) as task:
            place.mine(5)
            place.honest.declare(safe=4, finalized=4)
            place.mine()
            await place.until_tip()

            async def is_final() -> bool:
                return bool(await place.ledger.fetchval("SELECT finalized_number = 4 FROM chain"))

            await place.until(is_final, "finality")
            before = await place.ledger.fetchval("SELECT tip_hash FROM chain")
            place.honest.declare(safe=2, finalized=2)
            place.honest.reorg(4, [[]] * 8)
            with pytest.raises(FinalityConflictError):
                await asyncio.wait_for(asyncio.shield(task), PATIENCE_SECONDS)
        observation = await read_observation(place.ledger, place.chain_id)
        assert await place.ledger.fetchval("SELECT tip_hash FROM chain") == before
    assert observation is not None
    assert observation.halt_code == "FinalityConflictError"
    assert "finalized" in str(observation.halt_reason)


async def test_a_node_of_another_chain_is_quarantined_at_the_start(ledger_url: str) -> None:
    async with town(ledger_url) as place:
        place.faulty.faults.turn_on("wrong_chain_id")
        async with indexing(place):
            place.mine(3)
            await place.until_tip()

            async def caught() -> bool:
                return "wrong_deployment" in await place.lies()

            await place.until(caught, "evidence")


async def test_a_branch_that_was_not_backed_yet_is_followed_when_it_is(ledger_url: str) -> None:
    """Its head was told once, before the others had it, and no block follows."""
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place, indexing(place):
        place.mine(3)
        await place.until_tip()
        odd.reorg(1, [[]] * 2)
        await asyncio.sleep(1.0)
        for block in odd.branch(odd.head) or ():
            place.honest.blocks[block.hash] = block
        for number in (odd.head.number - 1, odd.head.number):
            block = odd.at(number)
            assert block is not None
            place.honest.blocks[block.hash] = block
        place.honest.switch_to(odd.head)
        await place.until_tip()


async def test_a_single_node_that_lied_once_is_asked_again_soon(ledger_url: str) -> None:
    async with town(ledger_url) as place:
        alone = place.settings.model_copy(
            update={"node_http_url": place.settings.node_http_url[:1], "node_ws_url": ()}
        )
        place.settings = alone
        place.faulty.faults.turn_on("receipts_wrong", times=1)
        async with indexing(place):
            place.mine(3)
            await place.until_tip()

            async def agrees() -> bool:
                observation = await read_observation(place.ledger, place.chain_id)
                return observation is not None and observation.nodes_agreeing == 1

            await place.until(agrees, "the only node agreeing")
        assert await place.lies()


async def test_finality_that_only_reaches_what_was_safe_is_taken_in(ledger_url: str) -> None:
    async with town(ledger_url) as place, indexing(place):
        place.mine(6)
        for safe, finalized in ((5, 2), (5, 5)):
            place.honest.declare(safe=safe, finalized=finalized)

            async def taken_in(wanted: tuple[int, int] = (safe, finalized)) -> bool:
                row = await place.ledger.fetchrow("SELECT safe_number, finalized_number FROM chain")
                return row is not None and tuple(row) == wanted

            await place.until(taken_in, f"safe {safe}, finalized {finalized}")
