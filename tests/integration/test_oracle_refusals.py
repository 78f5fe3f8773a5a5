"""Every refusal that needs nothing to be there is, on each route, what its example shows."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from access_support import Guarded, Person
from oracle_support import Client, Ledger
from test_oracle_openapi import Reader, request_of
from whole_oracle import everybody, paid_order, whole_oracle

from oracle_api.access.principal import Role
from oracle_api.access.route_roles import ANYONE, BLIND_ROUTES, ROUTE_ROLES
from oracle_api.request import MAX_BODY_BYTES

SAME = ("type", "title", "status", "code", "retryable")
PROBLEM = "application/problem+json"
Got = tuple[int, Any, dict[str, str]]


class Operations:
    """All operations of a served document, each to be asked as its examples say."""

    def __init__(self, document: dict[str, Any], ids: dict[str, str] | None = None) -> None:
        self.reader, self._ids = Reader(document), ids or {}
        self.all = [(method, path) for path, method, _ in self.reader.operations()]

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.reader.document["paths"][path][method.lower()]
        return found

    def example(self, method: str, path: str, status: int) -> Any:
        """The problem that is announced for a status; None where there is none."""
        announced = self._operation(method, path)["responses"].get(str(status))
        if announced is None:
            return None
        return self.reader.follow(announced)["content"][PROBLEM]["example"]

    async def ask(self, person: Person | Client, method: str, path: str, **more: Any) -> Got:
        """Ask by the examples; of two ids in a path the outer one is of something that is there."""
        operation = self._operation(method, path)
        ids = self._ids if path.count("{") > 1 else {}
        url, headers = request_of(self.reader, path, operation, ids)
        options = {"json": (self.reader.body_examples(operation) or [None])[0]} | more
        return await person.call(
            method, url, **options | {"headers": headers | more.get("headers", {})}
        )


def check(got: Got, example: Any, where: object) -> None:
    status, problem, headers = got
    assert (status, headers["content-type"]) == (example["status"], PROBLEM), (where, problem)
    assert {name: problem[name] for name in SAME} == {name: example[name] for name in SAME}, where
    assert problem.keys() == example.keys(), where


@pytest.fixture
async def guarded(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Guarded]:
    async with whole_oracle(ledger, tmp_path) as guarded:
        yield guarded


async def document_of(client: Client) -> dict[str, Any]:
    _, document, _ = await client.call("GET", "/openapi.json")
    found: dict[str, Any] = document
    return found


async def test_strangers_outsiders_and_floods_are_refused_as_shown(guarded: Guarded) -> None:
    """Another host's name, bad credentials, the wrong role, a body that is too large."""
    everyone = await everybody(guarded)
    by_role = {role: await guarded.person(role, role, store="north") for role in Role}
    forged = Person(guarded.client, "", "x.y.z")
    operations = Operations(await document_of(guarded.client))
    for route in operations.all:
        evil = {"Host": "evil.example"}
        got = await operations.ask(everyone, *route, headers=evil)
        check(got, operations.example(*route, 421), route)
        if (example := operations.example(*route, 413)) is not None:
            flood = {"json": None, "data": b" " * (MAX_BODY_BYTES + 1)}
            check(await operations.ask(everyone, *route, **flood), example, route)
        if route in BLIND_ROUTES:
            continue
        got = await operations.ask(forged, *route)
        check(got, operations.example(*route, 401), route)
        allowed = ROUTE_ROLES[route]
        for role in () if allowed is ANYONE else set(Role) - allowed:
            got = await operations.ask(by_role[role], *route)
            check(got, operations.example(*route, 403), (role, *route))


NEEDS_A_CHAIN = {("POST", "/api/v1/payments/submit")}
"""Without a node it says 501; its 429 shows the budget of gas: test_relay.py has a node."""


async def test_what_is_not_there_is_refused_as_shown(guarded: Guarded) -> None:
    everyone = await everybody(guarded)
    order = await paid_order(guarded.ledger, everyone)
    url = {"url": "https://shop.example/hook"}
    _, webhook, _ = await everyone.call("POST", "/api/v1/webhooks", json=url)
    ids = {"order_id": order["id"], "webhook_id": webhook["id"]}
    operations = Operations(await document_of(guarded.client), ids)
    asked = 0
    for route in operations.all:
        example = operations.example(*route, 404)
        if example is not None and route not in NEEDS_A_CHAIN:
            check(await operations.ask(everyone, *route), example, route)
            asked += 1
    assert asked >= 36


async def test_who_asks_too_often_is_refused_as_shown(ledger: Ledger, tmp_path: Path) -> None:
    kinds = ("account_requests", "user_attempts", "till_attempts", "partner_attempts")
    once = {f"{kind}_per_minute": 1 for kind in kinds}
    async with whole_oracle(ledger, tmp_path, **once) as guarded:
        operations = Operations(await document_of(guarded.client))
        hasty = await everybody(guarded)
        for path in ("/api/v1/orders", "/api/v1/payments/validate"):
            method = "POST" if path.endswith("validate") else "GET"
            assert (await operations.ask(hasty, method, path))[0] == 200
        for route in operations.all:
            if route in BLIND_ROUTES | NEEDS_A_CHAIN:
                continue
            got = await operations.ask(hasty, *route)
            check(got, operations.example(*route, 429), route)
            assert 1 <= int(got[2]["retry-after"]) <= 60


NEED_NO_DATABASE = {
    ("GET", "/api/v1/catalogue"),
    ("GET", "/.well-known/billcoin-attestation.json"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/api/v1/orders/ws"),
    # Off, where nobody set them up: test_oracle_off.py.
    ("POST", "/api/v1/standing-orders"),
    ("POST", "/api/v1/payments/submit"),
    ("GET", "/api/v1/x402/supported"),
    ("POST", "/api/v1/x402/verify"),
    ("POST", "/api/v1/x402/settle"),
}
"""Answered, or refused for another reason, while the database is away."""


async def test_without_a_database_every_route_says_so(lonely: Client) -> None:
    operations = Operations(await document_of(lonely))
    for route in operations.all:
        got = await operations.ask(lonely, *route)
        if route in NEED_NO_DATABASE:
            assert got[0] in {200, 426, 501}, route
            continue
        assert got[1]["code"] == "database_unavailable", route
        example = operations.example(*route, 503)
        check(got, example | {"code": got[1]["code"], "type": got[1]["type"]}, route)
