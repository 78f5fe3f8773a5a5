"""An oracle on a real server, and a ledger that tests write block by block."""

import asyncio
import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import structlog
from measuring import unmeasured
from openapi_reader import Reader
from openapi_witness import Witness
from oracle_stream_reader import Stream

from ledger.block import ProvenBlock
from ledger.chain import BlockRef
from ledger.contract_event import ContractEvent
from ledger.deployment import Deployment
from ledger.header import Header
from ledger.store.cursor import register
from ledger.store.observation import record_halt, record_observation
from ledger.store.pool import Connection, connect
from ledger.store.switch import Step, apply_step
from ledger.transfer import Transfer
from ledger.units import Units, parse_bill, parse_decimal
from oracle_api.application import Oracle, create_oracle
from oracle_api.server import OracleServer, server_for
from oracle_api.settings import Settings
from oracle_api.stream.hub import StreamLimits
from oracle_api.times import Clock

# The default writes tracebacks with all their variables, which takes seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
)

CHAIN_ID = 31337
DEPLOYMENT = Deployment(CHAIN_ID, b"\x01" * 20, b"\x02" * 20, b"\x03" * 20, b"\x04" * 20)
PAYER = b"\x0a" * 20
START_NUMBER = 100
ANYWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
"""A database that is not there."""


def settings_for(
    database_url: str, deployment: Deployment = DEPLOYMENT, **changes: Any
) -> Settings:
    values: dict[str, Any] = {
        "DATABASE_URL": database_url,
        "chain_id": deployment.chain_id,
        "token_address": deployment.token,
        "vault_factory_address": deployment.vault_factory,
        "vault_implementation_address": deployment.vault_implementation,
        "treasury_address": deployment.treasury,
        "oracle_port": 0,
        "access": "open",
    }
    return Settings(**(values | changes))


@functools.cache
def announcements() -> Reader:
    """The OpenAPI document, which is the same whatever the settings and takes a second to make."""
    return Reader(create_oracle(settings_for(ANYWHERE)).api.openapi())


def environment_for(database_url: str) -> dict[str, str]:
    """The environment of a process with these settings, and with nothing else of ours."""
    inherited = {name: value for name, value in os.environ.items() if "BILLCOIN" not in name}
    return inherited | {
        "DATABASE_URL": database_url,
        "BILLCOIN_CHAIN_ID": str(CHAIN_ID),
        "BILLCOIN_TOKEN_ADDRESS": "0x" + DEPLOYMENT.token.hex(),
        "BILLCOIN_VAULT_FACTORY_ADDRESS": "0x" + DEPLOYMENT.vault_factory.hex(),
        "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": "0x" + DEPLOYMENT.vault_implementation.hex(),
        "BILLCOIN_TREASURY_ADDRESS": "0x" + DEPLOYMENT.treasury.hex(),
    }


def digest(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def tx(name: object) -> bytes:
    return digest("tx", name)


@dataclass(frozen=True)
class Pay:
    """A transfer in a block to come; `amount` in BILL."""

    to: str | bytes
    amount: str
    tx_hash: bytes
    sender: bytes = PAYER

    def as_transfer(self, log_index: int) -> Transfer:
        to = bytes.fromhex(self.to[2:]) if isinstance(self.to, str) else self.to
        units = Units(parse_bill(self.amount))
        return Transfer(log_index, log_index, self.tx_hash, self.sender, to, units)


@dataclass(frozen=True)
class Said:
    """What a followed contract says in a block to come, in a transaction of its own or another's.

    `mints` is what the same transaction mints, and to whom, in BILL.
    """

    contract: str
    name: str
    arguments: dict[str, Any]
    tx_hash: bytes
    mints: Pay | None = None


def published(price: str, *, round_id: int, at: int) -> Said:
    """A price feed's answer, in ringgit per litre."""
    units = int(parse_decimal(price, decimals=8, param="price"))
    arguments = {"current": str(units), "roundId": str(round_id), "updatedAt": str(at)}
    return Said("milk_price_feed", "AnswerUpdated", arguments, tx(("price", round_id)))


def header(number: int, parent: bytes, timestamp: int, fork: object = "") -> Header:
    name = digest("block", number, parent, fork)
    return Header(number, name, parent, timestamp, digest("txs", name), digest("receipts", name))


@dataclass
class Ledger:
    """The indexer's side: applies synthetic blocks as the indexer does proven ones."""

    url: str
    connection: Connection
    chain: list[Header] = field(default_factory=list)

    @property
    def tip(self) -> Header:
        return self.chain[-1]

    async def begin(self, *, timestamp: int | None = None) -> None:
        anchor = header(START_NUMBER, b"\0" * 32, timestamp or int(time.time()) - 30)
        async with self.connection.transaction():
            await register(self.connection, DEPLOYMENT, anchor=anchor)
        self.chain = [anchor]
        await self.observe()

    async def observe(self, *, head: int | None = None, agreeing: int = 1, age: float = 0) -> None:
        await record_observation(
            self.connection,
            CHAIN_ID,
            head_number=self.tip.number if head is None else head,
            nodes_agreeing=agreeing,
            nodes_asked=1,
            checked_at=datetime.fromtimestamp(time.time() - age, UTC),
        )

    async def halt(self, code: str) -> None:
        await record_halt(self.connection, CHAIN_ID, code=code, reason="a test says so")

    async def block(
        self,
        *pays: Pay | Said,
        timestamp: int | None = None,
        finalize: int | None = None,
        fork: object = "",
    ) -> Header:
        when = max(timestamp or int(time.time()), self.tip.timestamp + 1)
        new = header(self.tip.number + 1, self.tip.hash, when, fork)
        await self._step(self.tip, [self._proven(new, pays)], finalize)
        return new

    async def reorganise(
        self, depth: int, *blocks: Sequence[Pay], fork: object = "other"
    ) -> list[Header]:
        """Replace the newest `depth` blocks by `blocks`, each a list of payments."""
        at = self.chain[-1 - depth]
        parent, branch = at, []
        for pays in blocks:
            new = header(parent.number + 1, parent.hash, parent.timestamp + 1, fork)
            branch.append(self._proven(new, pays))
            parent = new
        await self._step(at, branch, None)
        return [block.header for block in branch]

    async def deepen(self, *, safe: Header | None = None, final: Header | None = None) -> None:
        await self._step(
            self.tip,
            [],
            None,
            safe=safe and BlockRef(safe.number, safe.hash),
            finalized=final and BlockRef(final.number, final.hash),
        )

    def _proven(self, new: Header, contents: Sequence[Pay | Said]) -> ProvenBlock:
        transfers: list[Transfer] = []
        events: list[ContractEvent] = []
        log_index = 0
        for item in contents:
            if isinstance(item, Said):
                place = (log_index, log_index, item.tx_hash)
                events.append(ContractEvent(*place, item.contract, item.name, item.arguments))
                log_index += 1
            pay = item.mints if isinstance(item, Said) else item
            if pay is not None:
                transfers.append(pay.as_transfer(log_index))
                log_index += 1
        return ProvenBlock(new, tuple(transfers), tuple(events))

    async def _step(
        self,
        fork: Header,
        branch: list[ProvenBlock],
        finalize: int | None,
        **depths: BlockRef | None,
    ) -> None:
        if finalize is not None:
            final = next(one for one in self.chain if one.number == finalize)
            depths["finalized"] = BlockRef(final.number, final.hash)
        step = Step(
            expected_tip=BlockRef(self.tip.number, self.tip.hash),
            fork=BlockRef(fork.number, fork.hash),
            branch=branch,
            **depths,
        )
        async with self.connection.transaction():
            await apply_step(self.connection, CHAIN_ID, step, now=datetime.now(UTC))
        kept = self.chain.index(fork) + 1
        self.chain = self.chain[:kept] + [block.header for block in branch]
        await self.observe()


@contextlib.asynccontextmanager
async def open_ledger(url: str, *, begin: bool = True) -> AsyncIterator[Ledger]:
    connection = await connect(url, application_name="test-indexer")
    try:
        ledger = Ledger(url, connection)
        if begin:
            await ledger.begin()
        yield ledger
    finally:
        await connection.close()


@dataclass
class Client:
    """Talks to a served oracle."""

    base: str
    session: aiohttp.ClientSession
    oracle: Oracle
    server: OracleServer
    made: int = 0

    async def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (read, when it is JSON) and headers."""
        url = self.base + path
        async with self.session.request(method, url, headers=headers, **options) as reply:
            body = await reply.read()
            is_json = body and "json" in reply.headers.get("content-type", "")
            # Header names lower-cased once: HTTP does not tell case, dicts do.
            got = {name.lower(): value for name, value in reply.headers.items()}
            return reply.status, json.loads(body) if is_json else body, got

    async def order(self, amount: str = "1.80", *, key: str | None = None, **more: Any) -> Any:
        self.made += 1
        body = {"amountMyr": amount} | more
        status, order, _ = await self.call(
            "POST",
            "/api/v1/orders",
            json=body,
            headers={"Idempotency-Key": key or f"key-{self.made}"},
        )
        assert status == 201, order
        return order

    async def get(self, order_id: str) -> Any:
        status, order, _ = await self.call("GET", f"/api/v1/orders/{order_id}")
        assert status == 200, order
        return order

    async def validate(
        self, tx_hash: bytes | str, amount: str = "0.25", *, prefer: str | None = None, **more: Any
    ) -> Any:
        status, answer = await self.ask(tx_hash, amount, prefer=prefer, **more)
        assert status == 200, answer
        return answer

    async def ask(
        self, tx_hash: bytes | str, amount: Any = "0.25", *, prefer: str | None = None, **more: Any
    ) -> tuple[int, Any]:
        text = tx_hash if isinstance(tx_hash, str) else "0x" + tx_hash.hex()
        status, answer, _ = await self.call(
            "POST",
            "/api/v1/payments/validate",
            json={"txHash": text, "expectedAmount": amount} | more,
            headers={"Prefer": prefer} if prefer else {},
        )
        assert {"valid", "confirmedAt", "error"} <= answer.keys()
        return status, answer

    @contextlib.asynccontextmanager
    async def stream(
        self, *, last_id: int | str | None = None, query: str = ""
    ) -> AsyncIterator[Stream]:
        headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
        url = self.base + "/api/v1/orders/stream" + query
        async with self.session.get(url, headers=headers, timeout=None) as reply:
            assert reply.status == 200, await reply.text()
            assert reply.headers["content-type"].startswith("text/event-stream")
            yield Stream(reply.content)


_MEASURED: set[frozenset[tuple[str, bool]]] = set()


def _made(settings: Settings, clock: Clock, limits: StreamLimits | None) -> Oracle:
    """An oracle; all but the first with the same things set up are made without coverage.

    Nearly every test makes one, which would take twice as long to count the same lines again.
    """
    kind = frozenset((name, bool(value)) for name, value in settings)
    is_known = kind in _MEASURED
    _MEASURED.add(kind)
    with unmeasured() if is_known else contextlib.nullcontext():
        return create_oracle(settings, clock=clock, stream_limits=limits)


@contextlib.asynccontextmanager
async def served(
    settings: Settings,
    *,
    limits: StreamLimits | None = None,
    clock: Clock = time.time,
    listen: Settings | None = None,
) -> AsyncIterator[Client]:
    """An oracle behind a real uvicorn in this process, with a client.

    `listen` says where, for an oracle that believes to be where a test may not be.
    """
    oracle = _made(settings, clock, limits)
    server = server_for(oracle, listen or settings, loop="asyncio")
    server.config.app = witness = Witness(oracle, announcements())
    # Signals belong to pytest.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not running.done(), running.exception()
            await asyncio.sleep(0.005)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Client(f"http://{server.addresses[0]}", session, oracle, server)
    finally:
        server.should_exit = True
        await running
    assert not witness.unannounced, "\n".join(witness.unannounced)


async def until_journal_is_read(client: Client) -> None:
    """Wait until the oracle serves streams."""
    assert await client.oracle.hub.until_started(timeout_seconds=20)


async def until(holds: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Wait for what happens in this process, and can be seen without waiting."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - another task sets no event
            await asyncio.sleep(0.005)


async def until_all_is_told(client: Client, ledger: Ledger) -> None:
    """Wait until the oracle has read the journal to its end."""
    last_seq = await ledger.connection.fetchval("SELECT last_seq FROM journal")
    await until(lambda: client.oracle.hub.tail and client.oracle.hub.tail.last_seq == last_seq)


async def order_singly(client: Client, ledger: Ledger, count: int) -> None:
    """Make orders, each told before the next: what comes together is also forgotten together."""
    for _ in range(count):
        await client.order()
        await until_all_is_told(client, ledger)
