"""Nobody sees or touches the orders of others, by whatever way they try."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from access_support import PASSWORD, Guarded, Person, guarded_oracle
from oracle_stream_reader import Stream
from oracle_support import Ledger, Pay, tx

from oracle_api.access.principal import Role, Scope
from oracle_api.stream import feed
from oracle_api.stream.hub import StreamLimits

ORDERS = "/api/v1/orders"
STREAM = f"{ORDERS}/stream"


@dataclass
class People:
    """Everybody who has something to do with orders; each but the staff has made one."""

    guarded: Guarded
    by_name: dict[str, Person]
    orders: dict[str, Any]

    def __getitem__(self, name: str) -> Person:
        return self.by_name[name]


SEES = {
    "ada": {"ada"},
    "ben": {"ben"},
    "shop": {"shop"},
    "till-north": {"till-north"},
    "till-south": {"ada", "ben", "shop", "till-south"},
    "finance": {"ada", "ben", "shop", "till-north", "till-south"},
    "admin": {"ada", "ben", "shop", "till-north", "till-south"},
}
"""Whose orders each may see: the oracle's own store is `cafeteria`, where till-south stands."""


@pytest.fixture
async def people(guarded: Guarded) -> People:
    by_name = {
        "ada": await guarded.person("ada", Role.STUDENT),
        "ben": await guarded.person("ben", Role.STUDENT),
        "till-north": await guarded.person("till-north", Role.TILL, store="north"),
        "till-south": await guarded.person("till-south", Role.TILL, store="cafeteria"),
        "finance": await guarded.person("finance", Role.FINANCE),
        "admin": await guarded.person("admin", Role.ADMIN),
    }
    shop = await guarded.account("shop", Role.PARTNER)
    by_name["shop"] = await guarded.program(shop, Scope.ORDERS_READ, Scope.ORDERS_WRITE)
    makers = ("ada", "ben", "shop", "till-north", "till-south")
    orders = {name: await by_name[name].order("one") for name in makers}
    assert len({order["id"] for order in orders.values()}) == len(makers)
    return People(guarded, by_name, orders)


async def test_reading_listing_cancelling_and_drawing_know_only_what_is_ones_own(
    people: People,
) -> None:
    missing = "ord_" + "0" * 26
    for name, sees in SEES.items():
        person = people[name]
        status, listed, _ = await person.call("GET", f"{ORDERS}?limit=100")
        assert status == 200
        expected = {people.orders[one]["id"] for one in sees}
        assert {order["id"] for order in listed["data"]} == expected, name
        for owner, order in people.orders.items():
            for method, path, headers in (
                ("GET", f"{ORDERS}/{order['id']}", {}),
                ("GET", f"{ORDERS}/{order['id']}", {"Prefer": "wait=1"}),
                ("GET", f"{ORDERS}/{order['id']}", {"If-None-Match": "*"}),
                ("GET", f"{ORDERS}/{order['id']}/qr.svg", {}),
            ):
                if owner in sees and "Prefer" in headers:
                    continue
                status, body, _ = await person.call(method, path, headers=headers)
                if owner in sees:
                    assert status in {200, 304}, (name, owner, path)
                    continue
                # To the letter what is answered for an order that never was.
                _, nothing, _ = await person.call(
                    method, path.replace(order["id"], missing), headers=headers
                )
                assert status == 404, (name, owner, path)
                assert body | {"requestId": ""} == nothing | {"requestId": ""}


async def test_nobody_cancels_the_order_of_another(people: People) -> None:
    for name in ("ada", "shop", "till-north"):
        for owner, order in people.orders.items():
            if owner in SEES[name]:
                continue
            status, problem, _ = await people[name].call("POST", f"{ORDERS}/{order['id']}/cancel")
            assert (status, problem["code"]) == (404, "order_not_found")
    for owner, order in people.orders.items():
        _, found, _ = await people["admin"].call("GET", f"{ORDERS}/{order['id']}")
        assert found["status"] == "awaiting_payment", owner
    mine = people.orders["ada"]["id"]
    status, cancelled, _ = await people["ada"].call("POST", f"{ORDERS}/{mine}/cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")


async def test_paging_past_the_orders_of_others_shows_none_of_them(people: People) -> None:
    newest = max(order["id"] for order in people.orders.values())
    _, listed, _ = await people["ada"].call("GET", f"{ORDERS}?before={newest}&limit=1")
    assert [order["id"] for order in listed["data"]] == [people.orders["ada"]["id"]]
    assert listed["hasMore"] is False


async def test_the_same_key_of_two_accounts_is_two_keys(people: People) -> None:
    """Or a partner could find out, and read, what another has asked for."""
    again = await people["ada"].order("one")
    assert again["id"] == people.orders["ada"]["id"]
    other = await people["ben"].order("one")
    assert other["id"] == people.orders["ben"]["id"]


@contextlib.asynccontextmanager
async def streaming(
    person: Person, *, last_id: int | None = None, cookie: str = ""
) -> AsyncIterator[Stream]:
    headers = {"Cookie": cookie} if cookie else {"Authorization": f"Bearer {person.credential}"}
    if last_id is not None:
        headers["Last-Event-ID"] = str(last_id)
    url = person.client.base + STREAM
    async with person.client.session.get(url, headers=headers, timeout=None) as reply:
        assert reply.status == 200, await reply.text()
        yield Stream(reply.content)


async def test_streams_tell_each_only_of_their_own(people: People) -> None:
    """Live, in the snapshot, and replayed: out of memory and out of the journal alike."""
    ledger = people.guarded.ledger
    ids = {order["id"]: name for name, order in people.orders.items()}
    snapshots: dict[str, int] = {}
    async with contextlib.AsyncExitStack() as stack:
        live = {name: await stack.enter_async_context(streaming(people[name])) for name in SEES}
        for name, stream in live.items():
            snapshot = (await stream.next()).data
            assert {ids[order["id"]] for order in snapshot["orders"]} == SEES[name], name
            snapshots[name] = snapshot["asOf"]
        # All of them in one block, so that each stream gets a part of one chunk.
        pays = [
            Pay(order["orderAddress"], "0.25", tx(name)) for name, order in people.orders.items()
        ]
        await ledger.block(*pays)
        for name, stream in live.items():
            assert await heard(stream, len(SEES[name]), ids) == SEES[name], name
    for name, sees in SEES.items():
        async with streaming(people[name], last_id=snapshots[name]) as replay:
            assert await heard(replay, len(sees), ids) == sees, name


async def heard(stream: Stream, count: int, ids: dict[str, str]) -> set[str]:
    """Whose payments the stream tells of next, and of nothing else between them."""
    told = [await stream.next() for _ in range(count)]
    assert {event.event for event in told} == {"order.paid"}
    return {ids[event.data["data"]["orderId"]] for event in told}


async def test_a_stream_that_was_told_nothing_for_long_is_not_behind(ledger: Ledger) -> None:
    """A student's stream stands still while others buy; that must not look like a slow client."""
    limits = StreamLimits(tail_events=4, lag_events=4, replay_events=64)
    async with guarded_oracle(ledger, limits=limits) as guarded:
        ada = await guarded.person("ada", Role.STUDENT)
        till = await guarded.person("till", Role.TILL, store="cafeteria")
        async with streaming(ada) as stream:
            assert (await stream.next()).event == "snapshot"
            for number in range(12):
                await till.order(f"order {number}")
            mine = await ada.order("mine")
            event = await stream.next()
            assert (event.event, event.data["data"]["orderId"]) == ("order.created", mine["id"])
        # Her last event is far behind what is kept in memory: the journal itself is read on.
        async with streaming(ada, last_id=1) as stream:
            event = await stream.next()
            assert (event.event, event.data["data"]["orderId"]) == ("order.created", mine["id"])
            for number in range(12, 24):
                await till.order(f"order {number}")
            last = await ada.order("last")
            assert (await stream.next()).data["data"]["orderId"] == last["id"]


async def test_a_page_s_stream_and_qr_code_come_with_the_cookie_alone(guarded: Guarded) -> None:
    await guarded.account("till", Role.TILL, store="cafeteria")
    body = {"grant_type": "password", "username": "till", "password": PASSWORD, "session": "cookie"}
    client = guarded.client
    async with client.session.post(f"{client.base}/api/v1/tokens", json=body) as answer:
        token = (await answer.json())["access_token"]
        (cookie,) = [
            one.partition(";")[0]
            for one in answer.headers.getall("set-cookie")
            if one.startswith("billcoin_access=")
        ]
    till = Person(client, "", token)
    order = await till.order("one")
    async with streaming(till, cookie=cookie) as stream:
        assert [one["id"] for one in (await stream.next()).data["orders"]] == [order["id"]]
    cookies = {"Cookie": f"theme=dark; {cookie}"}
    path = f"{ORDERS}/{order['id']}"
    assert (await client.call("GET", f"{path}/qr.svg", headers=cookies))[0] == 200
    # It comes by itself, so it opens nothing else: neither what writes nor what reads.
    for method, route in (("GET", path), ("POST", f"{path}/cancel"), ("GET", ORDERS)):
        status, problem, _ = await client.call(method, route, headers=cookies)
        assert (status, problem["code"]) == (401, "credentials_missing"), route
    # Nor does a token in the address, where logs would keep it.
    for query in (f"?access_token={token}", f"?token={token}"):
        status, _, _ = await client.call("GET", STREAM + query)
        assert status == 401


async def test_a_stream_ends_with_the_credentials_that_opened_it(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await guarded.person("ada", Role.STUDENT)
    guarded.watch.ahead += 899.5
    async with streaming(ada) as stream:
        assert (await stream.next()).event == "snapshot"
        with pytest.raises(EOFError):
            await stream.next()
    guarded.watch.ahead += 10
    status, problem, _ = await ada.call("GET", STREAM)
    assert (status, problem["code"]) == (401, "token_expired")
    # A key that is good for a year is asked for again as often, since it may have been revoked.
    monkeypatch.setattr(feed, "MAX_STREAM_SECONDS", 0.2)
    shop = await guarded.program(await guarded.account("shop", Role.PARTNER), Scope.ORDERS_READ)
    async with streaming(shop) as stream:
        assert (await stream.next()).event == "snapshot"
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_till_s_orders_are_its_store_s_own(people: People) -> None:
    assert people.orders["till-north"]["storeId"] == "north"
    assert people.orders["ada"]["storeId"] == "cafeteria"
    # Another till of the same store takes over.
    colleague = await people.guarded.person("till-north-2", Role.TILL, store="north")
    path = f"{ORDERS}/{people.orders['till-north']['id']}"
    waiting = asyncio.create_task(colleague.call("GET", path, headers={"Prefer": "wait=20"}))
    order = people.orders["till-north"]
    await people.guarded.ledger.block(Pay(order["orderAddress"], "0.25", tx("north")))
    status, found, _ = await waiting
    assert (status, found["status"]) == (200, "paid")


async def test_an_auditor_and_a_stranger_have_no_orders(guarded: Guarded) -> None:
    auditor = await guarded.person("auditor", Role.AUDITOR)
    for method, path in (("GET", ORDERS), ("GET", STREAM), ("POST", ORDERS)):
        status, problem, _ = await auditor.call(method, path)
        assert (status, problem["code"]) == (403, "role_missing")
        status, problem, _ = await guarded.client.call(method, path)
        assert (status, problem["code"]) == (401, "credentials_missing")
