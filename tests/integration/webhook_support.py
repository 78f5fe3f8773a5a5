"""A partner with a key, a server that takes webhooks, and the process that sends them."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from oracle_support import Client, Ledger, environment_for

from devnet.services import console_script
from ledger.ids import sortable_id
from ledger.store.accounts import NewAccount, insert_account
from ledger.store.api_keys import NewApiKey, insert_api_key
from ledger.store.pool import Connection
from ledger.store.webhooks import wake
from oracle_api.access.api_keys import api_key_digest, make_api_key
from oracle_api.access.keyring import KEY_BYTES
from oracle_api.access.principal import Scope
from oracle_api.database import Database
from oracle_api.jobs.process import APPLICATION_NAME
from oracle_api.settings import Settings
from oracle_api.times import to_datetime
from oracle_api.webhooks.dispatcher import Dispatcher
from oracle_api.webhooks.lane import LaneTools
from oracle_api.webhooks.lookup import IsAllowed, SystemLookup
from oracle_api.webhooks.sender import open_sender
from oracle_api.webhooks.work import open_account

WEBHOOKS = "/api/v1/webhooks"
Answer = Callable[["Received"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


async def _agree(_: Received) -> web.StreamResponse:
    return web.Response(status=204)


@dataclass
class Receiver:
    """A partner's server; `answer` decides what each request meets with."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Answer = _agree
    at_work: int = 0
    most_at_work: int = 0

    def types(self) -> list[str]:
        return [one.event["type"] for one in self.received]

    def ids(self) -> list[str]:
        return [one.id for one in self.received]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            received = Received(request.path, headers, await request.read())
            self.received.append(received)
            return await self.answer(received)
        finally:
            self.at_work -= 1


@contextlib.asynccontextmanager
async def receiving(*, host: str = "127.0.0.1", tls: Any = None) -> AsyncIterator[Receiver]:
    """A real server on the loopback interface."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'https' if tls else 'http'}://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def write_keys(folder: Path, name: str = "2026") -> Path:
    """A file with a key of its own."""
    path = folder / "webhook-keys"
    path.write_text(f"{name} {base64.b64encode(b'k' * KEY_BYTES).decode()}\n")
    path.chmod(0o600)
    return path


@dataclass
class Account:
    """A caller of the API, by key."""

    id: str
    key: str
    client: Client

    async def call(
        self, method: str, path: str = "", **options: Any
    ) -> tuple[int, Any, dict[str, str]]:
        headers = {"Authorization": f"Bearer {self.key}"}
        return await self.client.call(method, WEBHOOKS + path, headers=headers, **options)

    async def webhook(self, url: str, **more: Any) -> Any:
        """A new endpoint, with its secret."""
        status, made, _ = await self.call("POST", json={"url": url} | more)
        assert status == 201, made
        return made

    async def read(self, webhook_id: str) -> Any:
        status, found, _ = await self.call("GET", f"/{webhook_id}")
        assert status == 200, found
        return found

    async def deliveries(self, webhook_id: str, query: str = "") -> Any:
        status, found, _ = await self.call("GET", f"/{webhook_id}/deliveries{query}")
        assert status == 200, found
        return found["data"]


_made = iter(range(10**9))


async def add_account(connection: Connection, client: Client, role: str = "partner") -> Account:
    """An account with an API key that may do everything a key may."""
    number, now = next(_made), to_datetime(time.time())
    account_id, key_id = (
        sortable_id(
            prefix,
            unix_milliseconds=int(time.time() * 1000),
            randomness=number.to_bytes(10, "big"),
        )
        for prefix in ("acc", "key")
    )
    name = f"{role}-{number}"
    await insert_account(connection, NewAccount(account_id, name, [role], None, None, now))
    key = make_api_key(is_test=True)
    scopes = [str(scope) for scope in Scope]
    digest, ending = api_key_digest(key.encode()), key[-4:]
    expiry = now + timedelta(days=1)
    await insert_api_key(
        connection,
        NewApiKey(key_id, account_id, name, digest, ending, scopes, True, now, expiry),  # noqa: FBT003
    )
    return Account(account_id, key, client)


async def add_order(ledger: Ledger, client: Client, account: Account | None = None) -> str:
    """An order with its first event, made by an account or by nobody in particular."""
    order_id: str = (await client.order())["id"]
    account_id = None if account is None else account.id
    await ledger.connection.execute(
        "UPDATE orders SET account_id = $2 WHERE id = $1", order_id, account_id
    )
    return order_id


@dataclass
class FakeClock:
    """A time that stands still until a test moves it."""

    now: float

    def __call__(self) -> float:
        return self.now

    def forward(self, **time_: float) -> None:
        self.now += timedelta(**time_).total_seconds()


def anywhere(_: str) -> bool:
    return True


@contextlib.asynccontextmanager
async def sending(
    settings: Settings,
    *,
    clock: Callable[[], float] = time.time,
    is_allowed: IsAllowed = anywhere,
) -> AsyncIterator[None]:
    """The sending part of a jobs process, in this one."""
    url = str(settings.database_url)
    database = Database(url, settings.deployment, application_name=APPLICATION_NAME)
    await database.open()
    keyring = settings.webhook_keyring
    assert keyring is not None
    lookup = SystemLookup()
    async with open_sender(lookup, is_allowed) as sender:
        tools = LaneTools(database, sender, keyring, clock, open_account(settings))
        running = asyncio.create_task(Dispatcher(tools).run())
        try:
            yield
        finally:
            running.cancel()
            outcome = await asyncio.gather(running, return_exceptions=True)
            await database.close()
            lookup.close()
    assert isinstance(outcome[0], asyncio.CancelledError), outcome


async def start_jobs(
    ledger: Ledger, keys: Path, *, allow_private: bool = False
) -> asyncio.subprocess.Process:
    """`billcoin-oracle jobs`, as an operator starts it; what is not asked for has its default."""
    environment = environment_for(ledger.url) | {
        "BILLCOIN_WEBHOOK_KEYS_FILE": str(keys),
        "BILLCOIN_LOG_LEVEL": "WARNING",
    }
    if allow_private:
        environment["BILLCOIN_WEBHOOK_ALLOW_PRIVATE"] = "true"
    return await asyncio.create_subprocess_exec(
        console_script("billcoin-oracle"), "jobs", env=environment
    )


async def nudge(connection: Connection) -> None:
    """Let the senders look at the clock."""
    await wake(connection)
