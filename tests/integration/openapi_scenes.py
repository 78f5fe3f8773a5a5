"""What has to happen for each operation to succeed, and to find that it cannot any more."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from access_support import PASSWORD, Guarded, Person, guarded_oracle
from eth_account import Account
from eth_account.messages import encode_defunct
from openapi_claims import SOCKET_PATH, Claims, Operations, document_of, handshake
from oracle_support import DEPLOYMENT, Ledger, Pay, settings_for, tx
from test_oracle_economy import LITRE, accepted, batch_id, market_said, paid_out
from test_standing_orders_access import CONTRACT, signed_body
from webhook_support import receiving, sending
from whole_oracle import everybody, prices, whole_settings

from oracle_api.access.principal import Role
from oracle_api.accounts.service import MAX_GOOD_KEYS
from oracle_api.attestations.key_file import write_key_file
from oracle_api.settings import Settings
from oracle_api.standing_orders.endpoints import MAX_PER_ACCOUNT
from oracle_api.webhooks.service import MAX_ENDPOINTS

STUDENT: Final = "1211103456"
BUYER: Final = bytes.fromhex("70997970C51812dc3A010C7d01b50e0d17dc79C8")
KEY: Final = Account.from_key("0x" + "a1" * 32)

ORDERS: Final = "/api/v1/orders"
ORDER: Final = f"{ORDERS}/{{order_id}}"
REFUNDS: Final = f"{ORDER}/refunds"
REFUND: Final = f"{REFUNDS}/{{refund_id}}"
COUPON: Final = "/api/v1/loyalty/coupons/{coupon_id}"
WEBHOOKS: Final = "/api/v1/webhooks"
WEBHOOK: Final = f"{WEBHOOKS}/{{webhook_id}}"
DELIVERIES: Final = f"{WEBHOOK}/deliveries"
FLAGS: Final = "/api/v1/flags"
FLAG: Final = f"{FLAGS}/{{flag_id}}"
ACCOUNTS: Final = "/api/v1/accounts"
ACCOUNT: Final = f"{ACCOUNTS}/{{account_id}}"
WALLETS: Final = "/api/v1/wallets"
VALIDATE: Final = "/api/v1/payments/validate"


@dataclass
class Stage:
    """An oracle, somebody who may do everything, and what is announced."""

    guarded: Guarded
    person: Person
    operations: Operations
    settings: Settings
    made: int = 0

    @property
    def ledger(self) -> Ledger:
        return self.guarded.ledger

    async def expect(self, method: str, path: str, status: int, **more: Any) -> Any:
        return await self.operations.expect(self.person, method, path, status, **more)

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        return await self.expect("GET", path, status, **more)

    async def post(self, path: str, status: int, **more: Any) -> Any:
        return await self.expect("POST", path, status, **more)

    async def order(self, **more: Any) -> Any:
        """A new order, out of no example."""
        self.made += 1
        headers = {"Idempotency-Key": f"order-{self.made}"}
        body = {"amountMyr": "1.80"} | more
        status, order, _ = await self.person.call("POST", ORDERS, json=body, headers=headers)
        assert status == 201, order
        return order

    async def pay(self, *orders: Any, times: int = 1) -> Any:
        """One block that pays orders."""
        pays = [
            Pay(one["orderAddress"], one["amountDue"], tx((one["id"], number)))
            for one in orders
            for number in range(times)
        ]
        return await self.ledger.block(*pays)

    async def owed(self) -> dict[str, str]:
        """An order that was paid twice, both finally."""
        order = await self.order()
        block = await self.pay(order, times=2)
        await self.ledger.deepen(safe=block, final=block)
        return {"order_id": order["id"], "due": order["amountDue"]}

    async def refund(self, owed: dict[str, str], status: int = 201, **more: Any) -> dict[str, str]:
        self.made += 1
        body = {
            "amount": owed["due"],
            "to": "0x" + BUYER.hex(),
            "reason": "duplicate_payment",
            "note": "paid once more from another phone",
        }
        key = {"Idempotency-Key": f"refund-{self.made}"}
        made = await self.post(REFUNDS, status, at=owed, json=body | more, headers=key)
        return owed | {"refund_id": made.get("id", "")}

    async def proved(self, refund: dict[str, str]) -> None:
        """The transfer that pays a refund."""
        paid = tx(("back", refund["refund_id"]))
        body = {"txHash": "0x" + paid.hex()}
        await self.post(f"{REFUND}/transaction", 200, at=refund, json=body)
        await self.ledger.block(Pay(BUYER, refund["due"], paid, sender=DEPLOYMENT.treasury))

    async def coupon(self) -> dict[str, str]:
        """A coupon for five milks."""
        orders = [await self.order(studentId=STUDENT) for _ in range(5)]
        await self.pay(*orders)
        told = await self.post("/api/v1/loyalty/balance", 200, json={"studentId": STUDENT})
        return {"coupon_id": told["coupons"][0]["id"]}

    async def flag(self) -> dict[str, str]:
        """Somebody who failed too often."""
        self.made += 1
        student = await self.guarded.person(f"failing-{self.made}", Role.STUDENT)
        body = {"txHash": "0x" + tx("nothing").hex(), "expectedAmount": "0.25"}
        for _ in range(4):
            assert (await student.call("POST", VALIDATE, json=body))[0] == 200
        async with asyncio.timeout(20):
            while True:
                _, page, _ = await self.person.call("GET", f"{FLAGS}?status=standing")
                if page["data"]:
                    return {"flag_id": page["data"][0]["id"]}
                await asyncio.sleep(0.01)

    async def link(self, person: Person, status: int) -> Any:
        """Somebody's answer to a challenge for the one wallet."""
        expect = self.operations.expect
        asked = {"address": KEY.address}
        made = await expect(person, "POST", f"{WALLETS}/challenge", 201, json=asked)
        signed = KEY.sign_message(encode_defunct(text=made["message"]))
        answer = {"nonce": made["nonce"], "signature": "0x" + bytes(signed.signature).hex()}
        return await expect(person, "POST", WALLETS, status, json=answer)


def stage_settings(folder: Path) -> dict[str, Any]:
    """Orders at the feed's price, webhooks to this machine, signers that know when they began."""
    keys = folder / "attestation-keys"
    entry = {
        "address": Account.from_key("0x" + "11" * 32).address,
        "createdAt": "2026-03-01T02:00:00.000Z",
        "privateKey": "0x" + "11" * 32,
    }
    write_key_file(keys, [entry])
    return whole_settings(folder) | {
        "attestation_keys": None,
        "attestation_keys_file": keys,
        "rate_source": "feed",
        "standing_orders_address": CONTRACT,
        "webhook_allow_private": True,
    }


@contextlib.asynccontextmanager
async def open_stage(ledger: Ledger, folder: Path, claims: Claims) -> AsyncIterator[Stage]:
    """Everything but a chain, with prices of forty days."""
    await prices(ledger)
    values = stage_settings(folder)
    settings = settings_for(ledger.url, access="accounts", **values)
    async with guarded_oracle(ledger, **values) as guarded:
        operations = Operations(await document_of(guarded.client), claims)
        yield Stage(guarded, await everybody(guarded), operations, settings)


async def orders(stage: Stage) -> None:
    """From the order to the cup, and once not."""
    order = await stage.post(ORDERS, 201)
    path = {"order_id": order["id"]}
    await stage.pay(order)
    for one in (ORDER, f"{ORDER}/qr.svg", "/api/v1/catalogue"):
        got = await stage.operations.ask(stage.person, "GET", one, at=path)
        stage.operations.check("GET", one, 200, got)
        await stage.get(one, 304, at=path, headers={"If-None-Match": got[2]["etag"]})
    await stage.get(ORDERS, query="?status=paid")
    _, paid, _ = await stage.person.call("GET", f"{ORDERS}/{order['id']}")
    body = {"txHash": paid["payments"][0]["txHash"], "expectedAmount": order["amountDue"]}
    await stage.ledger.deepen(final=stage.ledger.chain[-2])
    await stage.post(VALIDATE, 200, json=body)
    regretted = await stage.order(reference="table 4", amountMyr=None, items=order_items(order))
    await stage.post(f"{ORDER}/cancel", 200, at={"order_id": regretted["id"]})
    await stage.get(f"{ORDER}/batches", at=path)


def order_items(order: Any) -> list[dict[str, Any]]:
    return [{"sku": one["sku"], "quantity": one["quantity"]} for one in order["items"]]


async def refunds(stage: Stage) -> None:
    refund = await stage.refund(await stage.owed())
    await stage.proved(refund)
    await stage.get(REFUND, at=refund)
    await stage.get(REFUNDS, at=refund)
    await stage.get("/api/v1/refunds", query="?status=verified")
    regretted = await stage.refund(await stage.owed())
    await stage.post(f"{REFUND}/cancel", 200, at=regretted)


async def loyalty(stage: Stage) -> None:
    coupon = await stage.coupon()
    await stage.get(f"{COUPON}/qr.svg", at=coupon)
    await stage.post(f"{COUPON}/redeem", 200, at=coupon)


async def webhooks(stage: Stage) -> None:
    """An endpoint that takes one delivery, and has it sent once more."""
    async with receiving() as receiver:
        body = {
            "url": receiver.url,
            "eventTypes": ["order.paid", "order.reversed"],
            "description": "the shop's till",
        }
        made = await stage.post(WEBHOOKS, 201, json=body)
        path = {"webhook_id": made["id"]}
        async with sending(stage.settings):
            sent = await stage.post(f"{WEBHOOK}/test", 202, at=path)
            async with asyncio.timeout(20):
                while sent["status"] != "delivered":
                    at = DELIVERIES.format(**path)
                    _, page, _ = await stage.person.call("GET", at)
                    (sent,) = page["data"]
                    await asyncio.sleep(0.01)
        await stage.get(DELIVERIES, at=path)
        again = path | {"delivery_id": sent["id"]}
        await stage.post(f"{DELIVERIES}/{{delivery_id}}/redeliver", 202, at=again)
        await stage.post(f"{WEBHOOK}/replay", 202, at=path, json={"from": "evt_0000000000000001"})
    await stage.get(WEBHOOKS)
    await stage.get(WEBHOOK, at=path)
    await stage.expect("PATCH", WEBHOOK, 200, at=path)
    await stage.post(f"{WEBHOOK}/rotate-secret", 200, at=path)
    await stage.expect("DELETE", WEBHOOK, 204, at=path)


async def flags(stage: Stage) -> None:
    flag = await stage.flag()
    await stage.get(FLAGS)
    await stage.get(FLAG, at=flag)
    await stage.post(f"{FLAG}/acknowledge", 200, at=flag)
    await stage.post(f"{FLAG}/clear", 200, at=flag)
    await stage.get("/api/v1/audit-log", query=f"?subject={flag['flag_id']}")


async def economy(stage: Stage) -> None:
    """Batches, the market and prices, each in pages of one."""
    await stage.ledger.block(accepted(1, 300), paid_out(1), accepted(2, 100), paid_out(2))
    await stage.get("/api/v1/batches/{batch_id}", at={"batch_id": batch_id(1)})
    offer: dict[str, Any] = {
        "supplier": "0x" + "61" * 20,
        "quantity": 4,
        "kind": 1,
        "price": LITRE,
        "description_hash": "0x" + "07" * 32,
        "deadline": int(time.time()) + 5_000,
        "delivery_seconds": 600,
    }
    parties = {"supplier": offer["supplier"], "dairy": "0x" + "31" * 20}
    bought = parties | {
        "offer_id": 1,
        "settlement_per_litre": 3,
        "quantity": 1,
        "units": LITRE,
        "deadline": offer["deadline"],
    }
    numbers = (1, 2)
    await stage.ledger.block(
        *(market_said("OfferListed", offer_id=one, **offer) for one in numbers),
        *(market_said("Purchased", purchase_id=one, **bought) for one in numbers),
        *(
            market_said("Redeemed", purchase_id=one, units=LITRE, settlement=3, **parties)
            for one in numbers
        ),
    )
    for path in ("batches", "market/offers", "market/purchases", "prices/milk"):
        await stage.get(f"/api/v1/{path}", query="?limit=1")
    await stage.get("/api/v1/prices/milk/forecast")


async def accounts(stage: Stage) -> None:
    """An account with a password from the beginning to the end."""
    body = {"name": "till-9", "roles": ["till"], "storeId": "cafeteria", "password": PASSWORD}
    made = await stage.post(ACCOUNTS, 201, json=body)
    path = {"account_id": made["id"]}
    await stage.get(ACCOUNTS)
    await stage.get(f"{ACCOUNTS}/me")
    await stage.get(ACCOUNT, at=path)
    key = await stage.post(f"{ACCOUNT}/keys", 201, at=path)
    await stage.get(f"{ACCOUNT}/keys", at=path)
    named = path | {"key_id": key["id"]}
    await stage.post(f"{ACCOUNT}/keys/{{key_id}}/revoke", 200, at=named)
    for change in ("roles", "password", "disable", "enable"):
        await stage.post(f"{ACCOUNT}/{change}", 200, at=path)


async def access(stage: Stage) -> None:
    """Signing in and out, and a wallet."""
    await stage.guarded.account("ada", Role.STUDENT)
    granted = await stage.post("/api/v1/tokens", 200)
    await stage.post("/api/v1/tokens/revoke", 204, json={"refresh_token": granted["refresh_token"]})
    for name in ("jwks", "billcoin-attestation"):
        await stage.get(f"/.well-known/{name}.json")
    wallet = await stage.link(stage.person, 201)
    await stage.get(WALLETS)
    await stage.expect("DELETE", f"{WALLETS}/{{wallet_id}}", 204, at={"wallet_id": wallet["id"]})


async def streams(stage: Stage) -> None:
    """What a till without orders hears first, in both ways."""
    till = await stage.guarded.person("till", Role.TILL, store="empty")
    own = {"Authorization": f"Bearer {till.credential}"}
    path = f"{ORDERS}/stream"
    session, base = till.client.session, till.client.base
    async with session.get(base + path, headers=own) as reply:
        text = b""
        while b"data: " not in text or not text.endswith(b"\n\n"):
            text += await reply.content.readany()
        headers = {name.lower(): value for name, value in reply.headers.items()}
        stage.operations.check("GET", path, reply.status, (reply.status, text, headers))
    async with session.ws_connect(base + SOCKET_PATH, headers=own) as opened:
        (first,) = await opened.receive_json(timeout=5)
        assert first.keys() == {"event", "id", "data"}
        assert first["event"] == "snapshot"
        told = {name.lower(): value for name, value in opened._response.headers.items()}
        status = opened._response.status
        stage.operations.check("GET", SOCKET_PATH, status, (status, b"", told))
    got = await till.call("GET", SOCKET_PATH, headers=dict.fromkeys(handshake(), "no"))
    stage.operations.check("GET", SOCKET_PATH, 426, got)


async def conflicts(stage: Stage) -> None:
    """What cannot be any more, or not once more."""
    await conflicts_of_sales(stage)
    await conflicts_of_webhooks(stage)
    await conflicts_of_accounts(stage)


async def conflicts_of_sales(stage: Stage) -> None:
    key = {"Idempotency-Key": "once"}
    await stage.person.call("POST", ORDERS, json={"amountMyr": "1.80"}, headers=key)
    await stage.post(ORDERS, 409, json={"amountMyr": "1.90"}, headers=key)
    order = await stage.order()
    path = {"order_id": order["id"]}
    await stage.get(f"{ORDER}/batches", 409, at=path)
    await stage.pay(order)
    await stage.post(f"{ORDER}/cancel", 409, at=path)
    owed = await stage.owed()
    refund = await stage.refund(owed)
    await stage.refund(owed, 409)
    await stage.proved(refund)
    again = {"txHash": "0x" + tx("again").hex()}
    await stage.post(f"{REFUND}/transaction", 409, at=refund, json=again)
    await stage.post(f"{REFUND}/cancel", 409, at=refund)
    coupon = await stage.coupon()
    await stage.post(f"{COUPON}/redeem", 200, at=coupon)
    await stage.post(f"{COUPON}/redeem", 409, at=coupon)
    await stage.get(f"{COUPON}/qr.svg", 409, at=coupon)
    for number in range(MAX_PER_ACCOUNT):
        await stage.post("/api/v1/standing-orders", 201, json=signed_body(number))
    await stage.post("/api/v1/standing-orders", 409, json=signed_body(MAX_PER_ACCOUNT))


async def conflicts_of_webhooks(stage: Stage) -> None:
    body = {"url": "https://shop.example/hook"}
    for _ in range(MAX_ENDPOINTS):
        _, webhook, _ = await stage.person.call("POST", WEBHOOKS, json=body)
    await stage.post(WEBHOOKS, 409, json=body)
    path = {"webhook_id": webhook["id"]}
    rotate, key = f"{WEBHOOK}/rotate-secret", {"Idempotency-Key": "once"}
    await stage.operations.ask(stage.person, "POST", rotate, at=path, headers=key)
    await stage.post(rotate, 409, at=path, headers=key, json={"overlapHours": 1})
    _, sent, _ = await stage.operations.ask(stage.person, "POST", f"{WEBHOOK}/test", at=path)
    await stage.person.call("PATCH", WEBHOOK.format(**path), json={"enabled": False})
    await stage.post(f"{WEBHOOK}/test", 409, at=path)
    await stage.post(f"{WEBHOOK}/replay", 409, at=path)
    again = path | {"delivery_id": sent["id"]}
    await stage.post(f"{DELIVERIES}/{{delivery_id}}/redeliver", 409, at=again)


async def conflicts_of_accounts(stage: Stage) -> None:
    flag = await stage.flag()
    for name in ("acknowledge", "clear"):
        await stage.post(f"{FLAG}/{name}", 200, at=flag)
    for name in ("acknowledge", "clear"):
        await stage.post(f"{FLAG}/{name}", 409, at=flag)
    await stage.post(ACCOUNTS, 409, json={"name": "everybody", "roles": ["student"]})
    own = {"account_id": stage.person.account_id}
    await stage.post(f"{ACCOUNT}/disable", 409, at=own)
    await stage.post(f"{ACCOUNT}/roles", 409, at=own, json={"roles": ["student"]})
    for _ in range(MAX_GOOD_KEYS):
        await stage.operations.ask(stage.person, "POST", f"{ACCOUNT}/keys", at=own)
    await stage.post(f"{ACCOUNT}/keys", 409, at=own)
    await stage.link(stage.person, 201)
    await stage.link(await everybody(stage.guarded, "other"), 409)


async def successes(stage: Stage) -> None:
    """Each operation that needs no chain, done."""
    await economy(stage)
    await orders(stage)
    await refunds(stage)
    await loyalty(stage)
    await webhooks(stage)
    await flags(stage)
    await accounts(stage)
    await access(stage)
    await streams(stage)
