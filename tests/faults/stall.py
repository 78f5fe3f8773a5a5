"""A stall on a synthetic chain: a faulty node, an honest one, and the real indexer between."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import aiohttp
from chaos_run import write_order
from comparison import compare, undeclared_depths
from naive_ledger import NaiveLedger, NaiveOrder
from witness import read_sightings

from devnet.faulty_node.bloom import BloomKind
from devnet.faulty_node.drafts import Draft, lookalike_logs
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from devnet.faulty_node.switches import FaultSwitches
from indexer.lead import lead_forever
from indexer.node import Node
from indexer.replay_check import replay_check
from indexer.rpc import RpcClient
from indexer.settings import IndexerSettings
from ledger.json_hex import to_hex
from ledger.store.pool import Connection

BILL = 10**18
PATIENCE_SECONDS = 25.0


@dataclass
class Stall:
    """One chain, one ledger; `server` is the node that the indexer is told of."""

    server: FaultyServer
    honest: FaultyServer
    ledger: Connection
    settings: IndexerSettings
    naive: NaiveLedger
    declared: dict[str, set[bytes]]
    _orders: int = field(default=0)

    @property
    def model(self) -> ChainModel:
        return self.server.node.model

    @property
    def faults(self) -> FaultSwitches:
        return self.server.node.faults

    async def order(
        self, *, due: int = BILL, finality: str = "included", lives_seconds: int = 10**6
    ) -> NaiveOrder:
        self._orders += 1
        order = NaiveOrder(
            id=f"ord_{self._orders:04}",
            address=self.model.random.randbytes(20),
            due=due,
            finality=finality,
            expires_at=self.model.head.timestamp + lives_seconds,
        )
        self.naive.asked_for[order.id] = order
        await write_order(self.ledger, order, self.model.deployment.chain_id)
        return order

    def mine(self, *drafts: Draft) -> None:
        self.model.mine(drafts)

    def pay(self, order: NaiveOrder) -> Draft:
        return self.model.pay(order.address, order.due)

    def declare(self, *, safe: int, finalized: int) -> None:
        self.model.declare(safe=safe, finalized=finalized)
        self.declared["safe"].add(self.model.safe.hash)
        self.declared["finalized"].add(self.model.finalized.hash)

    async def status(self, order: NaiveOrder) -> str:
        status: str = await self.ledger.fetchval(
            "SELECT status FROM orders WHERE id = $1", order.id
        )
        return status

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, f"waited in vain for: {what}"
            await asyncio.sleep(0.01)

    async def until_tip(self) -> None:
        """Wait until the ledger stands on the chain's head."""

        async def reached() -> bool:
            tip = await self.ledger.fetchval("SELECT tip_hash FROM chain")
            return tip == self.model.head.hash

        await self.until(reached, f"tip {self.model.head.number}")

    async def until_struck(self, name: str, times: int = 1) -> None:
        async def struck() -> bool:
            return self.faults.injected[name] >= times

        await self.until(struck, f"{name} to strike")

    async def check(self) -> None:
        """The ledger holds what it must, and nothing that the chain has never made."""
        async with self.ledger.transaction(isolation="repeatable_read", readonly=True):
            self.naive.fold(await read_sightings(self.ledger, self.naive.seen))
            differences = await compare(self.ledger, self.naive)
        assert differences + undeclared_depths(self.naive, self.declared) == []

    async def check_against_the_honest_node(self) -> None:
        async with aiohttp.ClientSession() as session:
            client = RpcClient(session, self.honest.http_url, timeout_seconds=5)
            node = Node(client, token=self.model.deployment.token)
            async with self.ledger.transaction(isolation="repeatable_read", readonly=True):
                report = await replay_check(
                    self.ledger,
                    node,
                    chain_id=self.model.deployment.chain_id,
                    first=None,
                    last=None,
                    concurrency=4,
                    progress=lambda _done, _total: None,
                )
        assert report.differences == ()


@contextlib.asynccontextmanager
async def open_stall(
    ledger: Connection, ledger_url: str, *, bloom_kind: BloomKind = BloomKind.TRUE
) -> AsyncIterator[Stall]:
    """A stall with four blocks on its chain; the first two are final."""
    model = ChainModel(Random(11), bloom_kind=bloom_kind)  # noqa: S311 - wants repeating
    for _ in range(3):
        model.mine([model.pay(model.wallets[1], 5)])
    faulty, honest = FaultyNode(model, FaultSwitches(11)), FaultyNode(model)
    async with serve(faulty) as server, serve(honest) as second:
        deployment = model.deployment
        settings = IndexerSettings(
            DATABASE_URL=ledger_url,
            chain_id=deployment.chain_id,
            token_address=to_hex(deployment.token),
            vault_factory_address=to_hex(deployment.vault_factory),
            vault_implementation_address=to_hex(deployment.vault_implementation),
            treasury_address=to_hex(deployment.treasury),
            node_http_url=server.http_url,
            node_ws_url=server.ws_url,
            start_block=1,
            block_time_seconds=0.2,
            request_timeout_seconds=0.5,
        )
        declared: dict[str, set[bytes]] = {"safe": set(), "finalized": set()}
        stall = Stall(server, second, ledger, settings, NaiveLedger(model), declared)
        stall.declare(safe=2, finalized=1)
        yield stall


@contextlib.asynccontextmanager
async def indexing(stall: Stall) -> AsyncIterator["asyncio.Task[None]"]:
    """The real indexer in this process; the task ends only when it halts."""
    task = asyncio.create_task(lead_forever(stall.settings))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def halted(task: "asyncio.Task[None]") -> BaseException:
    """Wait until the indexer stops by itself; returns why."""
    done, _ = await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
    assert done, "the indexer did not halt"
    error = task.exception()
    assert error is not None
    return error


def lookalikes_for(stall: Stall, orders: Sequence[NaiveOrder]) -> list[Draft]:
    """Transactions with every deceptive log there is, as if they paid the orders."""
    token, wallet = stall.model.deployment.token, stall.model.wallets[0]
    return [
        stall.model.draft(lookalike_logs(token, wallet, order.address, order.due))
        for order in orders
    ]
