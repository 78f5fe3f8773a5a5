"""Every route that makes something makes it once for each Idempotency-Key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from access_support import Guarded, Person
from oracle_support import Ledger, Pay, announcements, tx
from whole_oracle import everybody, whole_oracle

from ledger.store.idempotency import LOCK
from ledger.store.pool import connect
from oracle_api.access.principal import Role
from oracle_api.access.route_roles import ROUTE_ROLES
from oracle_api.webhooks.requests import DEFAULT_OVERLAP_HOURS

KEY: Final = "one thing"
TO: Final = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
URL: Final = "https://shop.example/hook"


@dataclass(frozen=True)
class Asked:
    """A request to one of the routes."""

    path: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Scene:
    """A served oracle and somebody who may do everything, with things of their own."""

    guarded: Guarded
    person: Person

    async def made(self, path: str, body: dict[str, Any] | None = None) -> Any:
        status, document, _ = await self.person.call("POST", path, json=body)
        assert status < 300, document
        return document

    async def paid(self, *names: str, **body: Any) -> list[Any]:
        """Orders that were each paid twice, finally."""
        headers = {"Idempotency-Key": f"paid {self.person.account_id}"}
        orders = []
        for name in names:
            _, order, _ = await self.person.call(
                "POST",
                "/api/v1/orders",
                json={"amountMyr": "1.80"} | body,
                headers={"Idempotency-Key": headers["Idempotency-Key"] + name},
            )
            orders.append(order)
        pays = [
            Pay(order["orderAddress"], "0.25", tx((order["id"], time)))
            for order in orders
            for time in (1, 2)
        ]
        block = await self.guarded.ledger.block(*pays)
        await self.guarded.ledger.deepen(safe=block, final=block)
        return orders


Requests = tuple[Asked, Asked]
"""Two that differ, for the same route."""


async def orders(_: Scene) -> Requests:
    path = "/api/v1/orders"
    return Asked(path, {"amountMyr": "1.80"}), Asked(path, {"amountMyr": "3.60"})


async def refunds(scene: Scene) -> Requests:
    (order,) = await scene.paid("order")
    path = f"/api/v1/orders/{order['id']}/refunds"
    body = {"amount": "0.1", "to": TO, "reason": "duplicate_payment", "note": "paid twice"}
    return Asked(path, body), Asked(path, body | {"amount": "0.05"})


async def coupons(scene: Scene) -> Requests:
    student = scene.person.account_id[-20:]
    await scene.paid(*(str(number) for number in range(10)), studentId=student)
    balance = await scene.made("/api/v1/loyalty/balance", {"studentId": student})
    first, second = (one["id"] for one in balance["coupons"])
    path = "/api/v1/loyalty/coupons"
    return Asked(f"{path}/{first}/redeem"), Asked(f"{path}/{second}/redeem")


async def webhooks(_: Scene) -> Requests:
    path = "/api/v1/webhooks"
    return Asked(path, {"url": URL}), Asked(path, {"url": URL, "signing": "ed25519"})


async def secrets(scene: Scene) -> Requests:
    made = await scene.made("/api/v1/webhooks", {"url": URL})
    path = f"/api/v1/webhooks/{made['id']}/rotate-secret"
    # What is not said is what is meant: no body is the same as the defaults.
    assert DEFAULT_OVERLAP_HOURS != 1
    return Asked(path), Asked(path, {"overlapHours": 1})


async def pings(scene: Scene) -> Requests:
    made = [await scene.made("/api/v1/webhooks", {"url": URL}) for _ in range(2)]
    first, second = (f"/api/v1/webhooks/{one['id']}/test" for one in made)
    return Asked(first), Asked(second)


async def accounts(scene: Scene) -> Requests:
    path, name = "/api/v1/accounts", f"new-{scene.person.account_id[-20:]}"
    body = {"name": name, "roles": ["student"], "password": "one litre of milk"}
    return Asked(path, body), Asked(path, body | {"password": "two litres of milk"})


async def api_keys(scene: Scene) -> Requests:
    name = f"partner-{scene.person.account_id[-20:]}"
    account = await scene.made("/api/v1/accounts", {"name": name, "roles": ["partner"]})
    path = f"/api/v1/accounts/{account['id']}/keys"
    body = {"name": "server", "scopes": ["orders:read"]}
    return Asked(path, body), Asked(path, body | {"scopes": ["orders:write"]})


CASES: Final[dict[str, Callable[[Scene], Awaitable[Requests]]]] = {
    "/api/v1/orders": orders,
    "/api/v1/orders/{order_id}/refunds": refunds,
    "/api/v1/loyalty/coupons/{coupon_id}/redeem": coupons,
    "/api/v1/webhooks": webhooks,
    "/api/v1/webhooks/{webhook_id}/rotate-secret": secrets,
    "/api/v1/webhooks/{webhook_id}/test": pings,
    "/api/v1/accounts": accounts,
    "/api/v1/accounts/{account_id}/keys": api_keys,
}
ONLY_ASKS = "it makes nothing"
SETS = "it sets a state: doing it twice is as good as once"
OWN_NONCE = "what is signed has a nonce or a hash of its own, and is taken once"
NO_KEY: Final = {
    "/api/v1/payments/validate": ONLY_ASKS,
    "/api/v1/x402/verify": ONLY_ASKS,
    "/api/v1/loyalty/balance": ONLY_ASKS,
    "/api/v1/tokens": "a session; one more harms nobody, and its tokens must not be told again",
    "/api/v1/tokens/revoke": SETS,
    "/api/v1/accounts/{account_id}/disable": SETS,
    "/api/v1/accounts/{account_id}/enable": SETS,
    "/api/v1/accounts/{account_id}/roles": SETS,
    "/api/v1/accounts/{account_id}/password": SETS,
    "/api/v1/accounts/{account_id}/keys/{key_id}/revoke": SETS,
    "/api/v1/flags/{flag_id}/acknowledge": SETS,
    "/api/v1/flags/{flag_id}/clear": SETS,
    "/api/v1/orders/{order_id}/cancel": SETS,
    "/api/v1/orders/{order_id}/refunds/{refund_id}/transaction": SETS,
    "/api/v1/orders/{order_id}/refunds/{refund_id}/cancel": SETS,
    "/api/v1/wallets/challenge": "it is over in five minutes, used or not",
    "/api/v1/wallets": OWN_NONCE,
    "/api/v1/standing-orders": OWN_NONCE,
    "/api/v1/payments/submit": OWN_NONCE,
    "/api/v1/x402/settle": OWN_NONCE,
    "/api/v1/webhooks/{webhook_id}/replay": "deliveries keep their ids, by which receivers know",
    "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver": SETS,
}
"""Routes that take no key, and why they need none."""


def test_every_post_takes_a_key_or_says_why_not() -> None:
    document = announcements().document
    posts = {path for method, path in ROUTE_ROLES if method == "POST"}
    takes = {
        path
        for path in posts
        for parameter in document["paths"][path]["post"]["parameters"]
        if parameter.get("name") == "Idempotency-Key"
    }
    assert takes == CASES.keys()
    assert posts - takes == NO_KEY.keys()
    for path in takes:
        assert "409" in document["paths"][path]["post"]["responses"], path


@pytest.fixture
async def scene(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Scene]:
    async with whole_oracle(ledger, tmp_path) as guarded:
        yield Scene(guarded, await everybody(guarded))


async def post(person: Person, asked: Asked, key: str = KEY) -> tuple[int, Any, dict[str, str]]:
    headers = {"Idempotency-Key": key}
    return await person.call("POST", asked.path, json=asked.body, headers=headers)


@pytest.mark.parametrize("route", CASES)
async def test_a_key_makes_one_thing(scene: Scene, route: str) -> None:
    ask, another = await CASES[route](scene)

    # In flight: the first request's transaction holds the key and has not ended.
    first = await connect(scene.guarded.ledger.url, application_name="test")
    async with first.transaction():
        assert await first.fetchval(LOCK, scene.person.account_id, KEY)
        status, problem, headers = await post(scene.person, ask)
        assert (status, problem["code"]) == (409, "idempotency_key_in_flight")
        assert (problem["retryable"], headers["retry-after"]) == (True, "1")
    await first.close()

    status, made, headers = await post(scene.person, ask)
    assert status in {200, 201, 202}, made
    assert "idempotent-replayed" not in headers
    again, told, replayed = await post(scene.person, ask)
    assert (again, replayed["idempotent-replayed"]) == (status, "true")
    assert told == made | withheld(made)
    assert headers.get("location") == replayed.get("location")

    status, problem, _ = await post(scene.person, another)
    assert (status, problem["code"]) == (409, "idempotency_key_reused")
    assert problem["param"] == "Idempotency-Key"
    status, problem, _ = await post(scene.person, ask, key="k" * 256)
    assert (status, problem["code"]) == (400, "idempotency_key_invalid")

    # Another account's key of that name is another key.
    other = Scene(scene.guarded, await everybody(scene.guarded, "somebody-else"))
    _, theirs = await CASES[route](other)
    status, document, headers = await post(other.person, theirs)
    assert status in {200, 201, 202}, document
    assert "idempotent-replayed" not in headers
    # With a new key it is another thing, where there can be another.
    if route not in {"/api/v1/accounts", "/api/v1/loyalty/coupons/{coupon_id}/redeem"}:
        _, second, headers = await post(scene.person, ask, key="another")
        assert "idempotent-replayed" not in headers
        assert second != made


def withheld(made: dict[str, Any]) -> dict[str, Any]:
    """What a repeated answer cannot show: an API key, of which only a hash is kept."""
    is_api_key = made["object"] == "api_key"
    return {"secret": None, "secretWithheld": True} if is_api_key else {}


async def test_no_secret_of_an_answer_is_in_the_database(scene: Scene) -> None:
    """Neither in clear nor as a hash that is quick to guess from: a password is a person's."""
    secrets_told = []
    for route in ("/api/v1/webhooks", "/api/v1/accounts/{account_id}/keys"):
        ask, _ = await CASES[route](scene)
        _, made, _ = await post(scene.person, ask, key=route)
        secrets_told.append(made["secret"])
    ask, _ = await accounts(scene)
    assert ask.body is not None
    await post(scene.person, ask, key="account")
    connection = scene.guarded.ledger.connection
    rows = await connection.fetch("SELECT idempotency::text AS row FROM idempotency")
    assert len(rows) == 3
    assert not [row for row in rows for secret in secrets_told if secret in row["row"]]
    # The digest is the same whatever the password is; the stored hash tells them apart.
    other = Asked(ask.path, ask.body | {"password": "guessed by whoever has the table"})
    async with connection.transaction():
        before = await digest_of(scene, "account")
        await connection.execute("DELETE FROM idempotency WHERE key = 'account'")
        await connection.execute(
            "UPDATE account SET name = 'free' WHERE name = $1", ask.body["name"]
        )
    status, made, _ = await post(scene.person, other, key="account")
    assert (status, await digest_of(scene, "account")) == (201, before), made


async def digest_of(scene: Scene, key: str) -> Any:
    return await scene.guarded.ledger.connection.fetchval(
        "SELECT request_digest FROM idempotency WHERE key = $1", key
    )


async def test_a_secret_that_is_over_is_not_told_again(scene: Scene) -> None:
    """Neither after it was replaced nor when its webhook is gone."""
    ask, _ = await webhooks(scene)
    _, made, _ = await post(scene.person, ask)
    path = f"{ask.path}/{made['id']}"
    await scene.made(f"{path}/rotate-secret", {"overlapHours": 0})
    status, told, _ = await post(scene.person, ask)
    assert (status, told["id"], told["secret"], told["secretWithheld"]) == (
        201,
        made["id"],
        None,
        True,
    )
    await scene.person.call("DELETE", path)
    status, problem, _ = await post(scene.person, ask)
    assert (status, problem["code"]) == (404, "webhook_not_found")


async def test_what_was_refused_leaves_the_key_free(scene: Scene) -> None:
    _, other = await accounts(scene)
    assert other.body is not None
    taken = Asked(other.path, other.body | {"name": "everybody"})
    status, problem, _ = await post(scene.person, taken)
    assert (status, problem["code"]) == (409, "account_name_taken")
    assert (await post(scene.person, other))[0] == 201
    # Of no role at all: a student cannot even find out whether a key was used.
    student = await scene.guarded.person("student", Role.STUDENT)
    assert (await post(student, other))[0] == 403
