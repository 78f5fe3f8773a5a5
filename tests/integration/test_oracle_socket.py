"""The WebSocket tells what the event stream tells, to whom it may, whatever clients do."""

import asyncio
import base64
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import psutil
import pytest
from access_support import Guarded, Person, guarded_oracle
from oracle_support import (
    Client,
    Ledger,
    Pay,
    order_singly,
    served,
    settings_for,
    tx,
    until,
    until_journal_is_read,
)
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosed

from oracle_api.access.access_tokens import LIFETIME_SECONDS
from oracle_api.access.principal import Role
from oracle_api.stream.hub import StreamLimits

SOCKET = "/api/v1/orders/ws"
STREAM = "/api/v1/orders/stream"
Told = tuple[str, int | None, Any]


@contextlib.asynccontextmanager
async def oracle(ledger: Ledger, **limits: Any) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url), limits=StreamLimits(**limits)) as client:
        await until_journal_is_read(client)
        yield client


class Follower:
    """Reads messages out of frames."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self.opened = opened
        self.left: list[Told] = []

    async def next(self) -> Told:
        while not self.left:
            text = await self.opened.receive_str(timeout=20)
            self.left = [(one["event"], one["id"], one["data"]) for one in json.loads(text)]
        return self.left.pop(0)

    async def take(self, count: int) -> list[Told]:
        return [await self.next() for _ in range(count)]


@contextlib.asynccontextmanager
async def follow(
    client: Client, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Follower]:
    url = client.base + SOCKET + query
    async with client.session.ws_connect(url, headers=headers) as opened:
        yield Follower(opened)


async def refused(
    client: Client, headers: dict[str, str] | None = None, path: str = SOCKET
) -> tuple[int, Any]:
    """A handshake as any client sends it, and the answer that it gets instead of 101."""
    shake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    status, problem, _ = await client.call("GET", path, headers=shake | (headers or {}))
    return status, problem


async def test_both_transports_tell_the_same(ledger: Ledger) -> None:
    async with oracle(ledger) as client:
        before = await client.order(reference="table 4")
        async with client.stream() as stream, follow(client) as socket_:
            await ledger.block(Pay(before["orderAddress"], "0.25", tx(1)))
            order = await client.order("60.00")
            block = await ledger.block(Pay(order["orderAddress"], "8.333334", tx(2)))
            await ledger.deepen(safe=block)
            await ledger.reorganise(1, [], [])
            await client.call("POST", f"/api/v1/orders/{(await client.order())['id']}/cancel")
            heard = [(one.event, one.id, one.data) for one in await stream.take(8)]
            assert await socket_.take(8) == heard
    assert heard[0][0] == "snapshot"
    assert [name for name, _, _ in heard[1:]] == [
        *("order.paid", "order.created", "order.detected", "order.paid", "order.reversed"),
        *("order.created", "order.cancelled"),
    ]


@pytest.mark.parametrize("tail_events", [2, 10_000])
async def test_a_returning_client_is_told_only_what_it_missed(
    ledger: Ledger, tail_events: int
) -> None:
    async with oracle(ledger, tail_events=tail_events, replay_events=100) as client:
        for _ in range(5):
            await client.order()
        async with follow(client, "?lastEventId=2") as returning:
            assert [number for _, number, _ in await returning.take(3)] == [3, 4, 5]
            await client.order()
            assert (await returning.next())[1] == 6
        async with follow(client, headers={"Last-Event-ID": "5"}) as returning:
            assert (await returning.next())[1] == 6


async def test_who_cannot_be_told_everything_gets_a_new_snapshot(ledger: Ledger) -> None:
    async with oracle(ledger, tail_events=2, replay_events=2) as client:
        await order_singly(client, ledger, 5)
        for last_id, reason in (("1", "too_old"), ("99", "future_id"), ("x", "unknown_id")):
            async with follow(client, f"?lastEventId={last_id}") as returning:
                resync, snapshot = await returning.take(2)
                assert resync == ("resync", None, {"reason": reason})
                assert snapshot[:2] == ("snapshot", 5)


async def test_a_silent_socket_has_heartbeats(ledger: Ledger) -> None:
    async with oracle(ledger, heartbeat_seconds=0.2) as client, follow(client) as quiet:
        await quiet.next()
        assert await quiet.take(2) == [("heartbeat", None, {})] * 2


async def test_another_library_can_follow_too(ledger: Ledger) -> None:
    async with oracle(ledger) as client:
        url = client.base.replace("http", "ws") + SOCKET
        async with websockets_connect(url) as opened:
            assert json.loads(await opened.recv())[0]["event"] == "snapshot"
            await asyncio.wait_for(await opened.ping(), 20)
            await client.order()
            assert json.loads(await opened.recv())[0]["event"] == "order.created"


@pytest.mark.parametrize(
    ("said", "code"), [("hello", 1003), (b"\x00", 1003), ("x" * 1025, 1009), ("x" * 2**20, 1009)]
)
async def test_who_speaks_is_hung_up_on(ledger: Ledger, said: Any, code: int) -> None:
    async with oracle(ledger) as client:
        url = client.base.replace("http", "ws") + SOCKET
        async with websockets_connect(url) as opened:
            await opened.recv()
            with contextlib.suppress(ConnectionClosed):  # may come before all is sent
                await opened.send(said)
            await opened.wait_closed()
            assert opened.close_code == code
        await until(lambda: not client.oracle.hub.stream_count)


async def test_the_end_of_the_oracle_is_said(ledger: Ledger) -> None:
    async with oracle(ledger) as client, follow(client) as following:
        await following.next()
        client.oracle.close_streams()
        assert (await following.opened.receive()).type is aiohttp.WSMsgType.CLOSE
        assert following.opened.close_code == 1001


async def test_a_client_that_does_not_read_is_cut_off_and_the_others_are_not(
    ledger: Ledger,
) -> None:
    async with oracle(ledger, lag_events=300, tail_events=20_000) as client:
        sleeper = await _sleeper(client)
        async with follow(client) as reader:
            await reader.next()
            order = await client.order()
            await reader.next()
            # One event many times over: far more than any socket buffer holds.
            await ledger.connection.execute(
                """
                WITH taken AS (UPDATE journal SET last_seq = 12001 RETURNING 1)
                INSERT INTO event (seq, type, order_id, data, created_at)
                SELECT seq, 'order.updated', $1, $2, now()
                FROM generate_series(2, 12001) AS seq, taken
                """,
                order["id"],
                {"status": "awaiting_payment", "padding": "x" * 1000},
            )
            await ledger.connection.execute("SELECT pg_notify('billcoin', '')")
            heard = await reader.take(12_000)
        assert [number for _, number, _ in heard] == list(range(2, 12_002))
        assert client.oracle.hub.cut_off_count == 1
        # Our end is closed although the client has read nothing of what we had for it.
        await until(lambda: not _is_served(sleeper))
        sleeper.close()


def _is_served(client: socket.socket) -> bool:
    """Whether this process still holds the other end of a client's connection."""
    port = client.getsockname()[1]
    held = psutil.Process().net_connections(kind="tcp")
    return any(one.raddr and one.raddr.port == port for one in held)


async def _sleeper(client: Client) -> socket.socket:
    sleeper = socket.socket()
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sleeper.setblocking(False)  # noqa: FBT003 - as it is called
    host, port = client.base.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sleeper, (host, int(port)))
    shake = (
        f"GET {SOCKET} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(sleeper, shake.encode())
    await until(lambda: client.oracle.hub.stream_count >= 1)
    return sleeper


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "origin_foreign"),
        ({"Origin": "null"}, "origin_foreign"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin_foreign"),
        ({"Sec-Fetch-Site": "same-site", "Origin": "https://shop.example"}, "origin_foreign"),
        ({"Host": "evil.example"}, "host_unknown"),
    ],
)
async def test_a_page_of_another_site_cannot_listen(
    client: Client, headers: dict[str, str], code: str
) -> None:
    """Cross-site WebSocket hijacking: a browser lets any page try, and would send our cookie."""
    status, problem = await refused(client, headers)
    assert (status, problem["code"]) == (421 if code == "host_unknown" else 403, code)
    assert client.oracle.hub.stream_count == 0


async def test_our_own_page_can_listen(client: Client) -> None:
    for headers in ({"Origin": client.base}, {"Sec-Fetch-Site": "same-origin"}, None):
        async with follow(client, headers=headers) as following:
            assert (await following.next())[0] == "snapshot"


async def test_only_this_path_is_a_socket(client: Client) -> None:
    for path in ("/api/v1/orders", "/healthz", STREAM, "/nowhere", "/api/v1/payments/validate"):
        status, problem = await refused(client, path=path)
        assert status in {404, 405}, problem
    status, problem, headers = await client.call("GET", SOCKET)
    assert (status, problem["code"]) == (426, "upgrade_required")
    assert headers["upgrade"] == "websocket"
    status, _, _ = await client.call("POST", SOCKET)
    assert status == 405


async def test_without_credentials_nobody_listens(guarded: Guarded) -> None:
    for headers, code in (
        (None, "credentials_missing"),
        ({"Authorization": "Bearer x.y.z"}, "token_invalid"),
        ({"Cookie": "billcoin_access=x.y.z"}, "token_invalid"),
    ):
        status, problem = await refused(guarded.client, headers)
        assert (status, problem["code"]) == (401, code)
    auditor = await guarded.person("auditor", Role.AUDITOR)
    status, problem = await refused(
        guarded.client, {"Authorization": f"Bearer {auditor.credential}"}
    )
    assert (status, problem["code"]) == (403, "role_missing")


async def test_a_cookie_opens_it_for_our_page_and_for_no_other(guarded: Guarded) -> None:
    await until_journal_is_read(guarded.client)
    till = await guarded.person("till", Role.TILL, store="cafeteria")
    cookie = {"Cookie": f"billcoin_access={till.credential}"}
    ours = cookie | {"Origin": guarded.client.base}
    async with follow(guarded.client, headers=ours) as following:
        assert (await following.next())[0] == "snapshot"
    status, problem = await refused(guarded.client, cookie | {"Origin": "https://evil.example"})
    assert (status, problem["code"]) == (403, "origin_foreign")


async def test_it_ends_with_the_credentials_that_opened_it(guarded: Guarded) -> None:
    till = await guarded.person("till", Role.TILL, store="cafeteria")
    guarded.watch.ahead = LIFETIME_SECONDS - 0.2
    bearer = {"Authorization": f"Bearer {till.credential}"}
    async with (
        follow(guarded.client, headers=bearer) as following,
        guarded.client.session.get(guarded.client.base + STREAM, headers=bearer) as stream,
    ):
        assert (await following.next())[0] == "snapshot"
        assert (await following.opened.receive()).type is aiohttp.WSMsgType.CLOSE
        assert following.opened.close_code == 3000
        assert b"event: snapshot" in await stream.read()


async def test_one_client_cannot_take_all_streams(ledger: Ledger) -> None:
    async with guarded_oracle(ledger, limits=StreamLimits(streams_per_client=2)) as guarded:
        greedy = await guarded.person("greedy", Role.TILL, store="cafeteria")
        other = await guarded.person("other", Role.TILL, store="cafeteria")
        async with _following(greedy), _following(greedy):
            status, problem = await refused(guarded.client, _bearer(greedy))
            assert (status, problem["code"]) == (503, "too_many_streams")
            status, problem, _ = await greedy.call("GET", STREAM)
            assert (status, problem["code"]) == (503, "too_many_streams")
            async with _following(other):
                pass
        await until(lambda: not guarded.client.oracle.hub.stream_count)
        async with _following(greedy):
            pass


def _bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.credential}"}


@contextlib.asynccontextmanager
async def _following(person: Person) -> AsyncIterator[Follower]:
    async with follow(person.client, headers=_bearer(person)) as following:
        assert (await following.next())[0] == "snapshot"
        yield following


async def test_one_client_cannot_hold_requests_without_end(ledger: Ledger) -> None:
    """Nobody signed in: the address is the client. Beyond its share it is answered at once."""
    async with guarded_oracle(ledger, limits=StreamLimits(waits_per_client=2)) as guarded:
        client = guarded.client
        held = [asyncio.create_task(client.validate(tx(1), prefer="wait=30")) for _ in range(2)]
        await until(lambda: len(client.oracle.hub._change_waiters) >= 2)
        status, answer, headers = await client.call(
            "POST",
            "/api/v1/payments/validate",
            json={"txHash": "0x" + tx(1).hex(), "expectedAmount": "1"},
            headers={"Prefer": "wait=30"},
        )
        assert (status, answer["error"]) == (200, "transaction_not_found")
        assert "preference-applied" not in headers
        for task in held:
            task.cancel()


async def test_each_account_is_told_of_its_own_orders_only(guarded: Guarded) -> None:
    ann, ben = [await guarded.person(name, Role.STUDENT) for name in ("ann", "ben")]
    async with _following(ann) as hers, _following(ben) as his:
        orders = [await person.order(f"key-{n}") for n, person in enumerate((ann, ben, ann))]
        heard = [data["data"]["orderId"] for _, _, data in await hers.take(2)]
        assert heard == [orders[0]["id"], orders[2]["id"]]
        assert (await his.next())[2]["data"]["orderId"] == orders[1]["id"]
    async with follow(guarded.client, "?lastEventId=0", _bearer(ben)) as again:
        name, number, data = await again.next()
        assert (name, number, data["data"]["orderId"]) == ("order.created", 2, orders[1]["id"])
