"""Every list of the API is walked to its end: each entry once, in order, by its cursors."""

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest_asyncio
from access_support import Guarded, Person
from oracle_support import (
    CHAIN_ID,
    DEPLOYMENT,
    Ledger,
    Pay,
    announcements,
    published,
    tx,
)
from test_oracle_economy import accepted, market_said
from whole_oracle import STANDING_ORDERS, everybody, whole_oracle

from ledger.ids import sortable_id
from ledger.store.flags import raise_flag
from ledger.store.standing_orders import SignedStandingOrder, insert_standing_order
from ledger.store.wallets import StoredWallet, insert_wallet
from oracle_api.access.principal import Role
from oracle_api.pages import MAX_LIMIT
from oracle_api.parameters import CURSORS
from oracle_api.wallets.vault import WalletVault

COUNT: Final = 5
MILK: Final = 10**18
SUPPLIER: Final = "0x" + "61" * 20
BAD_LIMITS: Final = ("0", str(MAX_LIMIT + 1), "-1", "x", "1.5", "1e1", "%20", "", "9999", "\u0663")
GARBAGE: Final = ("garbage", "", "%00", "null", "1'--", "ord_", "-1", "x" * 19, "\u0663")


@dataclass
class Shop:
    """A served oracle, somebody who sees everything, and what was made there."""

    guarded: Guarded
    person: Person
    keys_file: Path
    ids: dict[str, str] = field(default_factory=dict)
    orders: list[Any] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return self.guarded.ledger

    async def made(self, path: str, body: Any = None, *, key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        status, document, _ = await self.person.call("POST", path, json=body, headers=headers)
        assert status < 300, document
        return document

    async def page(self, path: str, query: str = "") -> tuple[int, Any]:
        url = re.sub(r"\{(\w+)\}", lambda match: self.ids[match.group(1)], path)
        status, document, _ = await self.person.call("GET", f"{url}{query}")
        return status, document


Making = Callable[[Shop], Awaitable[list[Any]]]


async def make_accounts(shop: Shop) -> list[str]:
    made = [
        await shop.made("/api/v1/accounts", {"name": f"partner-{number}", "roles": ["partner"]})
        for number in range(COUNT)
    ]
    shop.ids["account_id"] = made[0]["id"]
    return [shop.person.account_id, *(one["id"] for one in made)]


async def make_keys(shop: Shop) -> list[str]:
    path = f"/api/v1/accounts/{shop.ids['account_id']}/keys"
    body = {"name": "k", "scopes": ["orders:read"]}
    return [(await shop.made(path, body))["id"] for _ in range(COUNT)]


async def make_orders(shop: Shop) -> list[str]:
    body = {"amountMyr": "7.20"}
    for number in range(COUNT):
        shop.orders.append(await shop.made("/api/v1/orders", body, key=f"order {number}"))
    return [order["id"] for order in shop.orders]


async def make_refunds(shop: Shop) -> list[str]:
    paid = await shop.made("/api/v1/orders", {"amountMyr": "7.20"}, key="paid")
    shop.ids["order_id"] = paid["id"]
    pays = [Pay(paid["orderAddress"], "1", tx(("refund", number))) for number in range(2)]
    block = await shop.ledger.block(*pays)
    await shop.ledger.deepen(safe=block, final=block)
    # What is settled is on no list of open orders any more.
    path = f"/api/v1/orders/{paid['id']}/refunds"
    to = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    body = {"amount": "0.1", "to": to, "reason": "duplicate_payment", "note": "paid twice"}
    return [(await shop.made(path, body, key=f"refund {number}"))["id"] for number in range(COUNT)]


async def make_webhooks(shop: Shop) -> list[str]:
    body = {"url": "https://shop.example/hook"}
    made = [(await shop.made("/api/v1/webhooks", body))["id"] for _ in range(COUNT)]
    shop.ids["webhook_id"] = made[0]
    return made


async def make_deliveries(shop: Shop) -> list[str]:
    path = f"/api/v1/webhooks/{shop.ids['webhook_id']}/test"
    return [(await shop.made(path))["id"] for _ in range(COUNT)]


async def make_flags(shop: Shop) -> list[str]:
    ids = [new_id("flg", number) for number in range(COUNT)]
    for one in ids:
        await raise_flag(
            shop.ledger.connection,
            new_id=one,
            subject=one,
            reason="failed_validations",
            failures=4,
            now=datetime.now(UTC),
        )
    return ids


async def make_batches(shop: Shop) -> list[Any]:
    await shop.ledger.block(*(accepted(number, 10) for number in range(1, 4)))
    await shop.ledger.block(*(accepted(number, 10) for number in range(4, COUNT + 1)))
    return [f"bat_{'31' * 20}_{number:064x}" for number in range(1, COUNT + 1)]


async def make_offers(shop: Shop) -> list[Any]:
    later = int(time.time()) + 5_000
    terms = {"supplier": SUPPLIER, "kind": 1, "price": MILK, "description_hash": "0x" + "07" * 32}
    terms |= {"deadline": later, "delivery_seconds": 600, "quantity": COUNT}
    numbers = range(1, COUNT + 1)
    said = [market_said("OfferListed", offer_id=number, **terms) for number in numbers]
    await shop.ledger.block(*said[:2])
    await shop.ledger.block(*said[2:])
    return [str(number) for number in numbers]


async def make_purchases(shop: Shop) -> list[Any]:
    terms = {"offer_id": 1, "dairy": "0x" + "31" * 20, "supplier": SUPPLIER, "quantity": 1}
    terms |= {"units": MILK, "deadline": int(time.time()) + 5_000, "settlement_per_litre": 3}
    numbers = range(1, COUNT + 1)
    said = [market_said("Purchased", purchase_id=number, **terms) for number in numbers]
    await shop.ledger.block(*said[:3])
    await shop.ledger.block(*said[3:])
    return [str(number) for number in numbers]


async def make_prices(shop: Shop) -> list[Any]:
    first = int(time.time()) - 100
    rounds = range(1, COUNT + 1)
    said = [published("7.25", round_id=number, at=first + number) for number in rounds]
    await shop.ledger.block(*said[:2])
    await shop.ledger.block(*said[2:])
    return [str(number) for number in rounds]


async def make_standing_orders(shop: Shop) -> list[Any]:
    now = datetime.now(UTC)
    hashes = [bytes([number]) * 32 for number in range(1, COUNT + 1)]
    for number, order_hash in enumerate(hashes):
        # All at the same moment: what comes first is still decided.
        order = SignedStandingOrder(
            chain_id=CHAIN_ID,
            order_hash=order_hash,
            contract=STANDING_ORDERS,
            payer=b"\x0b" * 20,
            merchant=DEPLOYMENT.treasury,
            into_vaults=True,
            litres=MILK,
            period_seconds=3600,
            price_mode=0,
            fixed_price=6 * MILK,
            max_price=6 * MILK,
            rate=3 * MILK,
            starts_at=int(now.timestamp()),
            ends_at=int(now.timestamp()) + 9_000,
            nonce=number,
            signature=b"\x01" * 65,
            account_id=shop.person.account_id,
            registered_at=now,
        )
        await insert_standing_order(shop.ledger.connection, order)
    return [f"sto_{order_hash.hex()}" for order_hash in hashes]


async def read_audit_seqs(shop: Shop) -> list[Any]:
    rows = await shop.ledger.connection.fetch("SELECT seq FROM audit_entry ORDER BY seq")
    assert len(rows) > COUNT
    return [row["seq"] for row in rows]


async def make_wallets(shop: Shop) -> list[Any]:
    vault, account_id = WalletVault.from_file(shop.keys_file), shop.person.account_id
    ids = [new_id("wal", number) for number in range(COUNT)]
    for number, one in enumerate(ids):
        address = bytes([number]) * 20
        sealed = vault.seal(address, account_id=account_id)
        digest = vault.digest(address)
        wallet = StoredWallet(one, account_id, sealed, digest, datetime.now(UTC))
        assert await insert_wallet(shop.ledger.connection, wallet, key_id=vault.key_id)
    return ids


async def refunds_of_order(shop: Shop) -> list[Any]:
    """These are oldest first."""
    _, document = await shop.page("/api/v1/refunds")
    return [one["id"] for one in document["data"]]


def new_id(prefix: str, number: int) -> str:
    return sortable_id(
        prefix, unix_milliseconds=int(time.time() * 1000) + number, randomness=bytes(10)
    )


LISTS: Final[dict[str, tuple[Making, str]]] = {
    "/api/v1/accounts": (make_accounts, "id"),
    "/api/v1/accounts/{account_id}/keys": (make_keys, "id"),
    "/api/v1/orders": (make_orders, "id"),
    "/api/v1/refunds": (make_refunds, "id"),
    "/api/v1/webhooks": (make_webhooks, "id"),
    "/api/v1/webhooks/{webhook_id}/deliveries": (make_deliveries, "id"),
    "/api/v1/flags": (make_flags, "id"),
    "/api/v1/batches": (make_batches, "id"),
    "/api/v1/market/offers": (make_offers, "id"),
    "/api/v1/market/purchases": (make_purchases, "id"),
    "/api/v1/prices/milk": (make_prices, "roundId"),
    "/api/v1/standing-orders": (make_standing_orders, "id"),
    "/api/v1/audit-log": (read_audit_seqs, "seq"),
}
"""How each gets its entries, oldest first, and what names an entry; in an order that works."""

WHOLE: Final[dict[str, tuple[Making, str]]] = {
    "/api/v1/wallets": (make_wallets, "id"),
    "/api/v1/orders/{order_id}/refunds": (refunds_of_order, "id"),
}
"""Lists that are short by a limit of their own, and come whole."""

NEVER_EMPTY: Final = {"/api/v1/accounts", "/api/v1/audit-log"}
"""Whoever asks has an account, which the office made."""


def test_every_list_has_a_case() -> None:
    document = announcements().document
    lists: dict[bool, set[str]] = {True: set(), False: set()}
    for path, item in document["paths"].items():
        operation = item.get("get", {"responses": {}})
        content = operation["responses"].get("200", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if "hasMore" in json.dumps(schema.get("properties", {})):
            names = {one.get("name") for one in operation["parameters"]}
            assert {"limit", "before"} <= names or not {"limit", "before"} & names, path
            assert set(schema["required"]) >= {"data", "hasMore", "next"}, path
            lists["before" in names].add(path)
    assert lists[True] == LISTS.keys() == CURSORS.keys()
    assert lists[False] == WHOLE.keys()


@pytest_asyncio.fixture
async def shop(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Shop]:
    async with whole_oracle(ledger, tmp_path) as guarded:
        yield Shop(guarded, await everybody(guarded), tmp_path / "wallet-keys")


async def test_every_list_is_walked_to_its_end(shop: Shop) -> None:
    for path in [*LISTS, *WHOLE]:
        if path not in NEVER_EMPTY and "{" not in path:
            assert await shop.page(path) == (200, {"data": [], "hasMore": False, "next": None})
    for path, (making, name) in LISTS.items():
        await walk(shop, path, list(reversed(await making(shop))), name)
    for path, (making, name) in WHOLE.items():
        expected = list(reversed(await making(shop)))
        status, document = await shop.page(path)
        assert (status, document["hasMore"], document["next"]) == (200, False, None)
        assert [one[name] for one in document["data"]] == expected, path


async def walk(shop: Shop, path: str, expected: list[Any], name: str) -> None:
    status, whole = await shop.page(path, f"?limit={MAX_LIMIT}")
    assert status == 200, whole
    found = [one[name] for one in whole["data"]]
    assert found == expected, path
    assert (whole["hasMore"], whole["next"]) == (False, None), path
    for limit in (1, 2, len(expected)):
        entries, cursor, pages = [], "", 0
        while True:
            status, page = await shop.page(path, f"?limit={limit}{cursor}")
            assert (status, page.keys()) == (200, {"data", "hasMore", "next"}), page
            entries += page["data"]
            pages += 1
            assert page["hasMore"] is (page["next"] is not None), path
            if not page["hasMore"]:
                break
            # A page that says that there is more is full.
            assert len(page["data"]) == limit, path
            cursor = f"&before={page['next']}"
        assert entries == whole["data"], (path, limit)
        assert pages == -(-len(expected) // limit), (path, limit)
    # Beyond the last entry there is an empty page, not an error.
    oldest = oldest_cursor(path, whole["data"][-1], name)
    if oldest is not None:
        empty = await shop.page(path, f"?before={oldest}")
        assert empty == (200, {"data": [], "hasMore": False, "next": None}), path


def oldest_cursor(path: str, entry: dict[str, Any], name: str) -> str | None:
    """The cursor behind an entry, where it is no block's place, which the entry does not tell."""
    if path == "/api/v1/prices/milk":
        return f"rnd_{entry[name]}"
    return None if CURSORS[path]["pattern"].startswith("^pos_") else str(entry[name])


async def test_bad_limits_and_foreign_cursors_are_refused_by_every_list(shop: Shop) -> None:
    for making in (make_accounts, make_webhooks):
        await making(shop)
    for path in LISTS:
        for limit in BAD_LIMITS:
            status, problem = await shop.page(path, f"?limit={limit}")
            where = (path, limit, problem)
            assert (status, problem["code"]) == (400, "limit_invalid"), where
            assert (problem["param"], problem["retryable"]) == ("limit", False), where
        pattern = re.compile(CURSORS[path]["pattern"])
        examples = {one["examples"][0] for one in CURSORS.values()}
        foreign = {one for one in examples if not pattern.match(one)}
        assert len(foreign) > len(examples) / 2
        for cursor in (*GARBAGE, *sorted(foreign)):
            status, problem = await shop.page(path, f"?before={cursor}")
            where = (path, cursor, problem)
            assert (status, problem["param"]) == (400, "before"), where
            assert problem["code"] == "before_invalid", where
    # Of the right form, but of nothing: for the one list whose place is its entry's.
    status, problem = await shop.page("/api/v1/standing-orders", f"?before=sto_{'5c' * 32}")
    assert (status, problem["code"]) == (400, "before_invalid")


async def test_another_account_s_cursor_gives_nothing_of_theirs(shop: Shop) -> None:
    made = {
        "/api/v1/orders": await make_orders(shop),
        "/api/v1/standing-orders": await make_standing_orders(shop),
        "/api/v1/webhooks": await make_webhooks(shop),
    }
    stranger = Shop(
        shop.guarded, await shop.guarded.person("stranger", Role.PARTNER), shop.keys_file
    )
    for path, ids in made.items():
        for cursor in ids:
            status, document = await stranger.page(path, f"?before={cursor}")
            if path == "/api/v1/standing-orders":
                assert (status, document["code"]) == (400, "before_invalid")
            else:
                assert (status, document["data"], document["next"]) == (200, [], None)
