"""One seeded history, driven through the real indexer and compared with the naive ledger."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest import mock

import aiohttp
from comparison import compare, undeclared_depths
from history import CUSTOMERS, History
from in_process import InProcessClient
from indexer_steps import Clock, IndexerSteps
from naive_ledger import NaiveLedger, NaiveOrder
from naive_loyalty import NaiveLoyalty
from witness import empty_ledger, read_sightings

from devnet.faulty_node.server import serve
from indexer import rpc
from indexer import source as source_module
from indexer import sources as sources_module
from indexer.node import Node
from indexer.source import Source
from indexer.sources import Sources
from ledger import loyalty
from ledger.errors import CorruptError, RejectedError
from ledger.journal import Event
from ledger.loyalty import coupon_id
from ledger.order import Finality
from ledger.store.coupons import use_coupon
from ledger.store.cursor import read_cursor
from ledger.store.orders import NewOrder, insert_order, mark_cancelled
from ledger.store.pool import Connection
from ledger.store.standings import refresh_standings
from ledger.units import Sen, Units

# Every so many-th history goes over real sockets.
SOCKETS_EVERY = 25
_CONVERGENCE_STEPS = 4
_AN_HOUR_SECONDS = 3601.0
_REQUEST_TIMEOUT_SECONDS = 0.25


@dataclass
class ChaosReport:
    """How a history ended: what differed, and what it had been through."""

    seed: int
    differences: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


@dataclass
class ChaosRun:
    """The pieces of one run."""

    connection: Connection
    history: History
    naive: NaiveLedger
    steps: IndexerSteps
    rival: IndexerSteps
    sources: Sources
    clock: Clock
    report: ChaosReport

    async def act(self) -> None:
        """One random thing happens."""
        history, chance = self.history, self.history.random
        name = chance.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))[0]
        self.report.trace.append(name)
        if name == "new_order":
            await self._create_order()
        elif name == "cancel":
            await self._cancel_order()
        else:
            getattr(history, name)()
            history.repair_depths()
        if history.coupons.random() < 1 / 4:
            await self._use_coupon()

    async def follow(self) -> None:
        """The indexer, or its rival, takes a step; sometimes it is killed in the middle."""
        chance = self.history.random
        steps = self.rival if chance.random() < 1 / 10 else self.steps
        if chance.random() < 1 / 12:
            steps.connection.statements_left = chance.randrange(16)
        if chance.random() < 1 / 4:
            self.clock.seconds += _AN_HOUR_SECONDS  # the longest quarantine is over
        if chance.random() < 1 / 8:
            outcome = await steps.deepen()
        else:
            source = chance.choice(self.sources.all)
            outcome = await steps.step(source, asks_around=chance.random() < 2 / 3)
        steps.connection.statements_left = None
        self.report.outcomes[outcome] += 1
        self.report.trace.append(outcome)

    async def check(self) -> bool:
        """Compare; True when nothing differs."""
        try:
            self.naive.fold(await read_sightings(self.connection, self.naive.seen))
        except KeyError as error:
            self.report.differences.append(f"the ledger stood on a block never made: {error}")
            return False
        self.report.differences += await compare(self.connection, self.naive)
        self.report.differences += undeclared_depths(self.naive, self.history.declared)
        return not self.report.differences

    async def converge(self) -> None:
        """Without faults, and with one more block, the ledger must reach the chain's head."""
        self.history.end_faults()
        self.history.model.mine()
        for number in range(_CONVERGENCE_STEPS):
            self.clock.seconds += _AN_HOUR_SECONDS
            await self.steps.step(self.sources.all[number % len(self.sources.all)])
        cursor = await read_cursor(self.connection, self.history.model.deployment.chain_id)
        head = self.history.model.head
        if cursor is None or cursor.tip.hash != head.hash:
            self.report.differences.append(f"the ledger did not reach the head {head.number}")

    async def _create_order(self) -> None:
        order = self.history.new_order()
        self.naive.asked_for[order.id] = order
        await write_order(self.connection, order, self.history.model.deployment.chain_id)

    async def _cancel_order(self) -> None:
        """As the oracle does it: mark and refresh in one transaction."""
        if not self.history.orders:
            return
        order = self.history.random.choice(self.history.orders)
        now = datetime.now(UTC)
        async with self.connection.transaction():
            cursor = await read_cursor(self.connection, self.history.model.deployment.chain_id)
            if cursor is not None and await mark_cancelled(self.connection, order.id, now=now):
                await refresh_standings(self.connection, {order.id}, cursor.depths, now=now)

    async def _use_coupon(self) -> None:
        """A student shows some coupon or other; most that are used or voided are refused."""
        chance, report = self.history.coupons, self.report
        whose = chance.choice([customer for customer in CUSTOMERS if customer is not None])
        shown = coupon_id(whose, chance.choice((1, 1, 2, 3)))
        try:
            async with self.connection.transaction():
                await use_coupon(self.connection, shown, used_by="till", now=datetime.now(UTC))
            report.outcomes["coupon_taken"] += 1
        except RejectedError as error:
            report.outcomes[error.code] += 1


_WEIGHTS = {
    "mine": 40, "new_order": 14, "reorg": 12, "declare": 12, "change_faults": 12, "flip": 5,
    "cancel": 4, "mine_many": 1,
}  # fmt: skip


async def run_history(connection: Connection, seed: int) -> ChaosReport:
    """Live through the history of a seed on an emptied ledger; the database has its witness."""
    await empty_ledger(connection)
    history, report, clock = History(seed), ChaosReport(seed), Clock()
    deployment = history.model.deployment
    async with _sources(history) as sources:
        first, second = (IndexerSteps(connection, sources, deployment, clock) for _ in range(2))
        # So cheap that coupons are made, voided and used within a short history.
        price = 1 + seed % 2
        naive = NaiveLedger(history.model, loyalty=NaiveLoyalty(price))
        run = ChaosRun(connection, history, naive, first, second, sources, clock, report)
        with (
            mock.patch.object(rpc, "_wait_seconds", return_value=0.0),
            mock.patch.object(source_module, "time", clock.module),
            mock.patch.object(sources_module, "time", clock.module),
            mock.patch.object(loyalty, "POINTS_A_COUPON", price),
        ):
            try:
                await _live(run)
            except CorruptError as error:
                report.differences.append(f"halted: {error}")
    report.injected = history.injected()
    return report


async def _live(run: ChaosRun) -> None:
    chance = run.history.random
    await run.steps.register()
    for stage in range(chance.randint(10, 40)):
        run.history.begin_stage(stage)
        await run.act()
        while chance.random() < 1 / 2:
            await run.follow()
        if chance.random() < 1 / 12 and not await run.check():
            return
    await run.converge()
    await run.check()


@contextlib.asynccontextmanager
async def _sources(history: History) -> AsyncIterator[Sources]:
    token = history.model.deployment.token
    required = len(history.nodes) // 2 + 1
    if history.seed % SOCKETS_EVERY:
        clients: list[Any] = [InProcessClient(node) for node in history.nodes]
        yield Sources([_source(client, token) for client in clients], required=required)
        return
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        servers = [await stack.enter_async_context(serve(node)) for node in history.nodes]
        clients = [
            rpc.RpcClient(session, server.http_url, timeout_seconds=_REQUEST_TIMEOUT_SECONDS)
            for server in servers
        ]
        yield Sources([_source(client, token) for client in clients], required=required)


def _source(client: Any, token: bytes) -> Source:
    return Source(Node(client, token=token), name=client.url)


async def write_order(connection: Connection, order: NaiveOrder, chain_id: int) -> None:
    """Write an order as the oracle would."""
    now = datetime.now(UTC)
    new = NewOrder(
        id=order.id,
        chain_id=chain_id,
        store_id="cafeteria",
        reference=None,
        items=[],
        amount_myr=Sen(180),
        rate_myr_per_bill=Decimal("7.20"),
        amount_due=Units(order.due),
        address=order.address,
        required_finality=Finality(order.finality),
        created_at=now,
        expires_at=order.expires_at,
        customer=order.customer,
    )
    async with connection.transaction():
        await insert_order(connection, new, event=Event("order.created", order.id, {}), now=now)
