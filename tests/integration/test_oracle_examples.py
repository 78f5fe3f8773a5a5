"""Every answer that OpenAPI announces is provoked, and is what its example shows.

Each test has a share of all pairs of an operation and a status, and fails unless it has compared
all of it; the first one makes sure that every pair is in a share.
"""

import asyncio
import inspect
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from access_support import Guarded, Person
from openapi_chain import ON_A_CHAIN, chain_answers, open_chain
from openapi_claims import (
    PROBLEM,
    Claims,
    Got,
    Operations,
    Pair,
    announced,
    document_of,
)
from openapi_scenes import conflicts, open_stage, successes
from oracle_support import ANYWHERE, Client, Ledger, announcements, served, settings_for
from test_oracle_off import CASES as OFF
from test_oracle_off import bare
from test_standing_orders_access import CONTRACT, signed_body
from whole_oracle import everybody, paid_order, whole_oracle, whole_settings

from migrations.grants import grant_oracle_role
from oracle_api import request as bodies
from oracle_api.access.attempts import BY_NAME
from oracle_api.access.principal import Role, Scope
from oracle_api.access.route_roles import ANYONE, BLIND_ROUTES, ROUTE_ROLES
from oracle_api.attestations import endpoints as signers
from oracle_api.request import MAX_BODY_BYTES
from oracle_api.tokens import endpoints as tokens
from oracle_api.unread import MAX_HEAD_BYTES

__all__ = ["bare"]

SHARES = {
    "test_what_succeeds_is_as_shown": {101, 200, 201, 202, 204, 304, 426},
    "test_what_is_malformed_is_refused_as_shown": {400},
    "test_strangers_outsiders_and_floods_are_refused_as_shown": {401, 403, 413, 421},
    "test_what_is_not_there_is_refused_as_shown": {404},
    "test_who_never_sends_the_body_is_refused_as_shown": {408},
    "test_what_cannot_be_any_more_is_refused_as_shown": {409},
    "test_who_asks_too_often_is_refused_as_shown": {429},
    "test_what_is_not_read_is_refused_as_shown": {431},
    "test_an_error_of_ours_is_told_as_shown": {500},
    "test_what_is_off_is_told_as_shown": {501},
    "test_what_is_away_is_told_as_shown": {503},
}
"""The statuses that each test provokes, on every operation that announces them, but for what is
in `ON_A_CHAIN`."""

CHAIN_TEST = "test_what_needs_a_chain_is_answered_as_shown"


def share_of(pair: Pair) -> str | None:
    """The test that has to compare a pair."""
    if pair in ON_A_CHAIN:
        return CHAIN_TEST
    return next((name for name, statuses in SHARES.items() if pair[2] in statuses), None)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return announcements().document


@pytest.fixture
def claims(request: pytest.FixtureRequest, document: dict[str, Any]) -> Iterator[Claims]:
    """Claims nothing by itself, and lets no test end that has not claimed its whole share."""
    claims = Claims()
    yield claims
    mine = request.node.name
    claims.require(lambda pair: share_of(pair) == mine, document)


def test_every_answer_is_somebody_s_to_provoke(document: dict[str, Any]) -> None:
    pairs = announced(document)
    assert pairs >= ON_A_CHAIN
    for pair in pairs:
        test = globals().get(share_of(pair) or "")
        assert test is not None, pair
        assert "claims" in inspect.signature(test).parameters, pair
    used = json.dumps(document["paths"])
    for name in document["components"]["responses"].keys() - NO_OPERATION:
        assert f'"#/components/responses/{name}"' in used, name


NO_OPERATION = {"RouteNotFound", "MethodNotAllowed", "RequestMalformed"}
"""What is answered where there is no operation."""


@pytest.fixture
async def guarded(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Guarded]:
    async with whole_oracle(ledger, tmp_path, rate_source="feed") as guarded:
        yield guarded


async def operations_of(client: Client, claims: Claims, **ids: str) -> Operations:
    return Operations(await document_of(client), claims, ids)


async def test_strangers_outsiders_and_floods_are_refused_as_shown(
    guarded: Guarded, claims: Claims
) -> None:
    """Another host's name, bad credentials, the wrong role or scope, a body that is too large."""
    everyone = await everybody(guarded)
    by_role = {role: await guarded.person(role, role, store="north") for role in Role}
    program = await guarded.program(by_role[Role.PARTNER].account_id, Scope.WEBHOOKS_MANAGE)
    forged = Person(guarded.client, "", "x.y.z")
    operations = await operations_of(guarded.client, claims)
    for route in operations.all:
        await operations.expect(everyone, *route, 421, headers={"Host": "evil.example"})
    for route in operations.with_(413):
        flood = {"json": None, "data": b" " * (MAX_BODY_BYTES + 1)}
        await operations.expect(everyone, *route, 413, **flood)
    for route in operations.with_(401):
        if route not in BLIND_ROUTES:
            await operations.expect(forged, *route, 401)
    sign_in = ("POST", "/api/v1/tokens")
    await operations.expect(everyone, *sign_in, 401)
    for route in operations.with_(403):
        allowed, code = ROUTE_ROLES[route], operations.example(*route, 403)["code"]
        match code:
            case "role_missing":
                assert allowed is not ANYONE
                for role in set(Role) - allowed:
                    await operations.expect(by_role[role], *route, 403)
            case "scope_missing":
                await operations.expect(program, *route, 403)
            case _:
                elsewhere = {"Origin": "https://evil.example"}
                await operations.expect(everyone, *route, 403, headers=elsewhere)


async def test_what_is_not_there_is_refused_as_shown(guarded: Guarded, claims: Claims) -> None:
    everyone = await everybody(guarded)
    order = await paid_order(guarded.ledger, everyone)
    url = {"url": "https://shop.example/hook"}
    _, webhook, _ = await everyone.call("POST", "/api/v1/webhooks", json=url)
    operations = await operations_of(
        guarded.client, claims, order_id=order["id"], webhook_id=webhook["id"]
    )
    create, once = ("POST", "/api/v1/webhooks"), {"Idempotency-Key": "once"}
    _, gone, _ = await operations.ask(everyone, *create, headers=once)
    await everyone.call("DELETE", f"{create[1]}/{gone['id']}")
    for route in operations.with_(404):
        if (*route, 404) not in ON_A_CHAIN:
            await operations.expect(everyone, *route, 404, headers=once if route == create else {})
    shared = operations.document["components"]["responses"]
    for name, method, path in (
        ("RouteNotFound", "GET", "/api/v1/nothing"),
        ("MethodNotAllowed", "DELETE", "/api/v1/orders"),
    ):
        check_shared(shared[name], await everyone.call(method, path))


def check_shared(response: dict[str, Any], got: Got) -> None:
    """An answer that belongs to no operation is what the document shows."""
    status, problem, headers = got
    example = response["content"][PROBLEM]["example"]
    assert (status, headers["content-type"]) == (example["status"], PROBLEM)
    assert problem == example | {key: problem[key] for key in ("detail", "requestId")}
    for name in ("x-request-id", "billcoin-version"):
        assert name in headers


async def test_who_asks_too_often_is_refused_as_shown(
    ledger: Ledger, tmp_path: Path, claims: Claims
) -> None:
    kinds = ("account_requests", "user_attempts", "till_attempts", "partner_attempts")
    once = {f"{kind}_per_minute": 1 for kind in kinds} | {"anonymous_requests_per_minute": 20}
    async with whole_oracle(ledger, tmp_path, **once) as guarded:
        operations = await operations_of(guarded.client, claims)
        hasty = await everybody(guarded)
        for path in ("/api/v1/orders", "/api/v1/payments/validate"):
            method = "POST" if path.endswith("validate") else "GET"
            assert (await operations.ask(hasty, method, path))[0] == 200
        sign_in = ("POST", "/api/v1/tokens")
        for _ in range(BY_NAME.limit):
            assert (await operations.ask(guarded.client, *sign_in))[0] == 401
        await operations.expect(guarded.client, *sign_in, 429)
        while (await guarded.client.call("GET", "/api/v1/catalogue"))[0] != 429:
            pass
        for route in operations.with_(429):
            if route == sign_in or (*route, 429) in ON_A_CHAIN:
                continue
            asker = guarded.client if route in BLIND_ROUTES else hasty
            got = await operations.ask(asker, *route)
            operations.check(*route, 429, got)
            assert 1 <= int(got[2]["retry-after"]) <= 60


async def test_what_succeeds_is_as_shown(ledger: Ledger, tmp_path: Path, claims: Claims) -> None:
    async with open_stage(ledger, tmp_path, claims) as stage:
        await successes(stage)


async def test_what_cannot_be_any_more_is_refused_as_shown(
    ledger: Ledger, tmp_path: Path, claims: Claims
) -> None:
    async with open_stage(ledger, tmp_path, claims) as stage:
        await conflicts(stage)


async def test_what_needs_a_chain_is_answered_as_shown(
    ledger_url: str, tmp_path: Path, claims: Claims
) -> None:
    async with open_chain(ledger_url, tmp_path, claims) as chain:
        await chain_answers(chain)


FORMS: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", "/api/v1/payments/{tx_hash}/proof"): {"at": {"tx_hash": "0x12"}},
    ("POST", "/api/v1/orders"): {"json": {"items": [{"sku": 7, "quantity": 1}]}},
    ("POST", "/api/v1/loyalty/balance"): {"json": {"studentId": "a\n"}},
    ("POST", "/api/v1/orders/{order_id}/refunds/{refund_id}/transaction"): {
        "json": {"txHash": "0x12"}
    },
    ("POST", "/api/v1/orders/{order_id}/refunds/{refund_id}/cancel"): {"json": {"note": ""}},
    ("POST", "/api/v1/webhooks"): {"json": {"url": "http://shop.example"}},
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): {"json": {"url": "http://shop.example"}},
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate-secret"): {"json": {"overlapHours": -1}},
    ("POST", "/api/v1/webhooks/{webhook_id}/replay"): {"json": {"from": "yesterday"}},
    ("POST", "/api/v1/flags/{flag_id}/clear"): {"json": {"note": 7}},
    ("POST", "/api/v1/tokens"): {"json": {"grant_type": "magic"}},
    ("POST", "/api/v1/tokens/revoke"): {"json": {"refresh_token": ""}},
    ("POST", "/api/v1/accounts"): {"json": {"name": "Ada", "roles": ["student"]}},
    ("POST", "/api/v1/accounts/{account_id}/roles"): {"json": {"roles": ["till"]}},
    ("POST", "/api/v1/accounts/{account_id}/password"): {"json": {"password": "short"}},
    ("POST", "/api/v1/accounts/{account_id}/keys"): {"json": {"name": "k", "scopes": []}},
    ("POST", "/api/v1/wallets/challenge"): {"json": {"address": "ada.eth"}},
    ("POST", "/api/v1/standing-orders"): {"json": signed_body() | {"signature": "0x" + "1b" * 65}},
    ("POST", "/api/v1/payments/validate"): {"json": {"txHash": "x", "expectedAmount": "1"}},
    ("POST", "/api/v1/orders/{order_id}/refunds"): {
        "json": {"amount": "0", "to": "0x" + "11" * 20, "reason": "overpaid", "note": "n"}
    },
}
"""What is wrong with a request, where its path and its body alone can be at fault."""

BY_CODE: dict[str, dict[str, Any]] = {
    "version_unknown": {"headers": {"BillCoin-Version": "1999-12-31"}},
    "idempotency_key_missing": {"without": "Idempotency-Key"},
    "idempotency_key_invalid": {"headers": {"Idempotency-Key": "k" * 256}},
    "limit_invalid": {"query": "?limit=0"},
    "before_invalid": {"query": "?before=yesterday"},
    "status_unknown": {"query": "?status=lost"},
    "days_invalid": {"query": "?days=0"},
    "signature_invalid": {},  # an example's own signature, which nobody made
}
"""And where a header or the query is."""


async def test_what_is_malformed_is_refused_as_shown(guarded: Guarded, claims: Claims) -> None:
    everyone = await everybody(guarded)
    order = await paid_order(guarded.ledger, everyone)
    url = {"url": "https://shop.example/hook"}
    _, webhook, _ = await everyone.call("POST", "/api/v1/webhooks", json=url)
    ids = {"order_id": order["id"], "webhook_id": webhook["id"], "account_id": everyone.account_id}
    operations = await operations_of(guarded.client, claims)
    for route in operations.with_(400):
        if (*route, 400) in ON_A_CHAIN:
            continue
        code = operations.example(*route, 400)["code"]
        wrong = FORMS.get(route) or BY_CODE[code]
        await operations.expect(everyone, *route, 400, **({"at": ids} | wrong))


async def test_who_never_sends_the_body_is_refused_as_shown(
    guarded: Guarded, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each over a connection of its own, which announces ten bytes and sends one."""
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_SECONDS", 0.2)
    operations = await operations_of(guarded.client, claims)
    host = guarded.client.base.removeprefix("http://")
    routes = operations.with_(408)
    answers = await asyncio.gather(*(stalled(host, *route) for route in routes))
    for route, got in zip(routes, answers, strict=True):
        operations.check(*route, 408, got)


async def stalled(host: str, method: str, path: str) -> Got:
    """The answer to a body that never comes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n{{"
    return await answer_to(host, head)


async def answer_to(host: str, sent: str) -> Got:
    """The last answer to what no client of HTTP sends."""
    address, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    writer.write(sent.encode())
    answer = await asyncio.wait_for(reader.read(), timeout=20)
    writer.close()
    first, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = first.decode().split("\r\n")
    parts = (field.partition(": ") for field in fields)
    headers = {name.lower(): value for name, _, value in parts}
    return int(line.split()[1]), json.loads(body), headers


async def test_what_is_not_read_is_refused_as_shown(lonely: Client, claims: Claims) -> None:
    """Before any route is looked for, but of each that was asked for."""
    operations = await operations_of(lonely, claims)
    host = lonely.base.removeprefix("http://")
    padding = f"Padding: {'x' * MAX_HEAD_BYTES}\r\n"
    for method, path in operations.with_(431):
        sent = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{padding}\r\n"
        operations.check(method, path, 431, await answer_to(host, sent))
    shared = operations.document["components"]["responses"]["RequestMalformed"]
    check_shared(shared, await answer_to(host, "GET / HTTP/1.1\r\nno colon\r\n\r\n"))


async def test_what_is_off_is_told_as_shown(bare: tuple[Person, str], claims: Claims) -> None:
    """Asked of an oracle that has lost its settings, about what was made before."""
    person, webhook_id = bare
    operations = await operations_of(person.client, claims)
    for method, path, _, body, _ in OFF:
        at = {"webhook_id": webhook_id}
        await operations.expect(person, method, path, 501, at=at, json=body)


async def test_what_is_away_is_told_as_shown(
    guarded: Guarded, tmp_path: Path, claims: Claims
) -> None:
    """The database, mostly; and what is not sure, not made, or not long enough."""
    operations = await operations_of(guarded.client, claims)
    everyone = await everybody(guarded)
    folder = tmp_path / "away"
    folder.mkdir()
    values = whole_settings(folder, standing_orders_address=CONTRACT)
    async with served(settings_for(ANYWHERE, **values)) as lonely:
        closed = settings_for(ANYWHERE, **values, access="accounts")
        async with served(closed) as stranger:
            token = stranger.oracle._entrance.tokens.issue("acc_x", "ses_x", [Role.ADMIN])
            somebody = Person(stranger, "", token)
            for route in operations.with_(503):
                if route in NOT_SURE or (*route, 503) in ON_A_CHAIN:
                    continue
                # Whose answer needs nothing is asked about by somebody whose account it needs.
                asker = somebody if route in NEED_NO_DATABASE else lonely
                body = {"json": signed_body()}
                more = body if route == ("POST", "/api/v1/standing-orders") else {}
                await operations.expect(asker, *route, 503, **more)
    order = await paid_order(guarded.ledger, everyone, "unproven")
    _, read, _ = await everyone.call("GET", f"/api/v1/orders/{order['id']}")
    proof, forecast, validate = NOT_SURE
    paid = {"tx_hash": read["payments"][0]["txHash"]}
    await operations.expect(everyone, *proof, 503, at=paid)
    await operations.expect(everyone, *forecast, 503)
    await guarded.ledger.observe(head=guarded.ledger.tip.number + 1000)
    await operations.expect(everyone, *validate, 503)


NOT_SURE = (
    ("GET", "/api/v1/payments/{tx_hash}/proof"),
    ("GET", "/api/v1/prices/milk/forecast"),
    ("POST", "/api/v1/payments/validate"),
)

NEED_NO_DATABASE = {("GET", "/api/v1/catalogue"), ("GET", "/api/v1/x402/supported")}


async def test_an_error_of_ours_is_told_as_shown(
    ledger: Ledger, tmp_path: Path, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle's database role has lost its rights, which no code of ours expects.

    Two routes read nothing from anywhere: there the fault is put into their code.
    """
    role, url = await role_of(ledger)
    try:
        changes = {"DATABASE_URL": url, "standing_orders_address": CONTRACT}
        async with whole_oracle(ledger, tmp_path, **changes) as guarded:
            operations = await operations_of(guarded.client, claims)
            everyone, other = await everybody(guarded), await everybody(guarded, "other")
            guarded.watch.stop()
            assert (await everyone.call("GET", "/api/v1/accounts/me"))[0] == 200
            for kind in ("TABLES", "FUNCTIONS"):
                await ledger.connection.execute(
                    f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {role}"
                )
            monkeypatch.setattr(signers, "Response", fail)
            monkeypatch.setattr(tokens, "json_of", fail)
            body = {"json": signed_body()}
            for route in operations.all:
                more = body if route == ("POST", "/api/v1/standing-orders") else {}
                # What works without tables is refused for want of the account's.
                asker = other if route in NEED_NO_TABLE else everyone
                await operations.expect(asker, *route, 500, **more)
    finally:
        await ledger.connection.execute(f"DROP OWNED BY {role}")
        await ledger.connection.execute(f"DROP ROLE {role}")


NEED_NO_TABLE = NEED_NO_DATABASE | {
    ("POST", "/api/v1/payments/submit"),
    ("POST", "/api/v1/x402/verify"),
    ("POST", "/api/v1/x402/settle"),
}
"""Of these the last have nothing to do where there is no relay."""


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a defect of ours")


async def role_of(ledger: Ledger) -> tuple[str, str]:
    """A role with what an oracle needs, and the database's URL in its name."""
    role, password = f"oracle_{secrets.token_hex(6)}", secrets.token_hex(8)
    await ledger.connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    await grant_oracle_role(ledger.url, role)
    parts = urlsplit(ledger.url)
    netloc = f"{role}:{password}@{parts.netloc.rpartition('@')[2]}"
    return role, urlunsplit(parts._replace(netloc=netloc))
