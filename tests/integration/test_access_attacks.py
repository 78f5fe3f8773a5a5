"""Over HTTP, with what a stranger has: forged tokens, and the ids of what is somebody else's."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from access_support import Guarded, Person
from joserfc import jws
from joserfc.jwk import ECKey
from oracle_support import Ledger
from test_access_wallets import link, listed
from test_standing_orders_access import CONTRACT, signed_body
from test_standing_orders_access import PATH as STANDING_ORDERS
from whole_oracle import paid_order, whole_oracle

from ledger.ids import event_id
from oracle_api.access.principal import Role
from oracle_api.access.route_roles import ANYONE, ROUTE_ROLES, Route
from oracle_api.access.token_keys import make_key

ACCOUNTS = "/api/v1/accounts"
STREAM = "/api/v1/orders/stream"
WEBHOOKS = "/api/v1/webhooks"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forgeries(token: str, claims: dict[str, Any], published: dict[str, Any]) -> Iterator[str]:
    """The claims as a token, in every way of one who has a token of their own and the JWKS."""
    own_head, _, own_signature = token.split(".")
    head, body = json.loads(unb64(own_head)), b64(json.dumps(claims).encode())

    def headed(**changes: Any) -> str:
        return f"{b64(json.dumps(head | changes).encode())}.{body}"

    yield f"{own_head}.{body}.{own_signature}"
    for algorithm in ("none", "None", ""):
        yield f"{headed(alg=algorithm)}."
        yield f"{headed(alg=algorithm)}.{own_signature}"
    pem = ECKey.import_key(published).as_pem(private=False)
    for secret in (pem, pem.strip(), json.dumps(published).encode(), unb64(published["x"]), b""):
        signed = headed(alg="HS256")
        yield f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
    mine = make_key()
    for changes in (
        {},
        {"kid": mine.kid},
        {"jwk": mine.as_dict(private=False)},
        {"jku": "https://evil.example/jwks.json"},
    ):
        signed = headed(**changes)
        yield f"{signed}.{b64(jws.JWSRegistry.algorithms['ES256'].sign(signed.encode(), mine))}"


async def test_no_forged_token_opens_anything(guarded: Guarded) -> None:
    """Neither as a bearer's nor as a page's cookie; what is forged is the office's own token."""
    admin = await guarded.person("root", Role.ADMIN)
    ada = await guarded.person("ada", Role.STUDENT)
    client, url = guarded.client, guarded.client.base + STREAM
    _, keys, _ = await client.call("GET", "/.well-known/jwks.json")
    claims = json.loads(unb64(admin.credential.split(".")[1]))
    forged = list(forgeries(ada.credential, claims, keys["keys"][0]))
    assert len(set(forged)) == len(forged) == 16
    for token in forged:
        status, problem, _ = await Person(client, "", token).call("GET", ACCOUNTS)
        assert (status, problem["code"]) == (401, "token_invalid"), token
        status, problem, _ = await client.call(
            "GET", STREAM, headers={"Cookie": f"billcoin_access={token}"}
        )
        assert (status, problem["code"]) == (401, "token_invalid"), token
    # The true one opens both.
    assert (await admin.call("GET", ACCOUNTS))[0] == 200
    cookie = {"Cookie": f"billcoin_access={admin.credential}"}
    async with client.session.get(url, headers=cookie, timeout=None) as stream:
        assert stream.status == 200


OWNED = {"order_id", "webhook_id", "wallet_id", "standing_order_id"}
"""Ids of what belongs to an account."""

BELOW = {"delivery_id", "refund_id"}
"""Ids that are looked for only below one of those."""

NOBODY_S = {"coupon_id", "flag_id", "account_id", "key_id"}
"""Whoever may use the route may name any: the office does, and a till what it is shown."""

BODIES: dict[Route, Any] = {
    ("PATCH", f"{WEBHOOKS}/{{webhook_id}}"): {"url": "https://evil.example/"},
    ("POST", f"{WEBHOOKS}/{{webhook_id}}/rotate-secret"): {},
    ("POST", f"{WEBHOOKS}/{{webhook_id}}/replay"): {"from": event_id(1)},
}


def parameters(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", path))


def test_of_every_id_in_a_path_it_is_said_whose_it_is() -> None:
    """A new kind of id comes into `OWNED`, and so into the next test, or says why it need not."""
    guarded = [path for (_, path), roles in ROUTE_ROLES.items() if roles is not ANYONE]
    named = set().union(*map(parameters, guarded))
    assert named == OWNED | BELOW | NOBODY_S


async def belongings(person: Person, ledger: Ledger) -> dict[str, str]:
    """One of each kind of thing that can be somebody's, by the name of its id."""

    async def made(path: str, body: Any = None) -> str:
        status, document, _ = await person.call("POST", path, json=body)
        assert status in {201, 202}, document
        return str(document["id"])

    order = await paid_order(ledger, person)
    webhook_id = await made(WEBHOOKS, {"url": "https://shop.example/hook"})
    return {
        "order_id": order["id"],
        "webhook_id": webhook_id,
        "delivery_id": await made(f"{WEBHOOKS}/{webhook_id}/test"),
        "refund_id": "ref_" + "0" * 26,
        "wallet_id": (await link(person))["id"],
        "standing_order_id": await made(STANDING_ORDERS, signed_body()),
    }


async def state(person: Person, ids: dict[str, str]) -> list[Any]:
    """All of it, as its owner sees it."""
    paths = (
        f"/api/v1/orders/{ids['order_id']}",
        f"{WEBHOOKS}/{ids['webhook_id']}",
        f"{WEBHOOKS}/{ids['webhook_id']}/deliveries",
        f"{STANDING_ORDERS}/{ids['standing_order_id']}",
    )
    answers = [await person.call("GET", path) for path in paths]
    assert [status for status, _, _ in answers] == [200] * len(paths)
    return [*(document for _, document, _ in answers), await listed(person)]


@pytest.mark.parametrize(
    ("roles", "store"), [((Role.STUDENT, Role.PARTNER), None), ((Role.TILL,), "north")], ids=str
)
async def test_no_route_leads_to_what_is_somebody_else_s(
    ledger: Ledger, tmp_path: Path, roles: tuple[Role, ...], store: str | None
) -> None:
    """To the letter what is answered about something that never was, on every route there is."""
    changes = {"standing_orders_address": CONTRACT, "oracle_names": ("pay.example",)}
    async with whole_oracle(ledger, tmp_path, **changes) as guarded:
        ada = await guarded.person("ada", Role.STUDENT, Role.PARTNER)
        stranger = await guarded.person("mallory", *roles, store=store)
        ids = await belongings(ada, ledger)
        before = await state(ada, ids)
        made_up = {name: text.partition("_")[0] + "_" + "0" * 26 for name, text in ids.items()}
        refused = set()
        for (method, path), allowed in ROUTE_ROLES.items():
            if not parameters(path) & OWNED:
                continue
            assert allowed is not ANYONE, path
            answers = [
                await stranger.call(
                    method,
                    path.format(**named),
                    json=BODIES.get((method, path)),
                    headers={"Idempotency-Key": "one"},
                )
                for named in (ids, made_up)
            ]
            (status, problem, _), (_, nothing, _) = answers
            if not allowed & set(roles):
                assert (status, problem["code"]) == (403, "role_missing"), path
                continue
            assert status == 404, (method, path, problem)
            assert problem | {"requestId": ""} == nothing | {"requestId": ""}, path
            refused.add((method, path))
        assert len(refused) >= (14 if Role.PARTNER in roles else 4)
        assert await state(ada, ids) == before
