"""Nobody sees the standing orders of others, and without an account nobody registers any."""

import os
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from access_support import Guarded, guarded_oracle
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from oracle_support import CHAIN_ID, DEPLOYMENT, Ledger

from contracts.milk_price_feed import Price
from contracts.standing_orders import PriceMode, StandingOrder, standing_order_typed_data
from ledger.units import Units
from oracle_api.access.principal import Role

PATH = "/api/v1/standing-orders"
CONTRACT = b"\x0c" * 20
MYR = 10**8


@pytest.fixture
async def guarded_economy(ledger: Ledger) -> AsyncIterator[Guarded]:
    async with guarded_oracle(ledger, standing_orders_address=CONTRACT) as guarded:
        yield guarded


def signed_body(nonce: int = 1) -> dict[str, Any]:
    payer: LocalAccount = Account.from_key(os.urandom(32))
    now = int(time.time())
    order = StandingOrder(
        payer=bytes.fromhex(payer.address[2:]),
        merchant=DEPLOYMENT.treasury,
        into_vaults=True,
        litres=Units(10**18),
        period_seconds=3600,
        price_mode=PriceMode.FIXED,
        fixed_price=Price(6 * MYR),
        max_price=Price(6 * MYR),
        rate=Price(3 * MYR),
        starts_at_seconds=now,
        ends_at_seconds=now + 9_000,
        nonce=nonce,
    )
    message = standing_order_typed_data(order, chain_id=CHAIN_ID, contract=CONTRACT)
    signature = payer.sign_message(encode_typed_data(full_message=message)).signature
    return {
        "payer": payer.address,
        "merchant": "0x" + DEPLOYMENT.treasury.hex(),
        "intoVaults": True,
        "litres": "1",
        "periodSeconds": 3600,
        "priceMode": "fixed",
        "fixedPrice": "6",
        "maxPrice": "6",
        "rate": "3",
        "startsAt": now,
        "endsAt": now + 9_000,
        "nonce": str(nonce),
        "signature": "0x" + signature.hex(),
    }


async def test_each_sees_his_own_and_the_office_all(guarded_economy: Guarded) -> None:
    ada = await guarded_economy.person("ada", Role.STUDENT)
    ben = await guarded_economy.person("ben", Role.STUDENT)
    finance = await guarded_economy.person("finance", Role.FINANCE)
    till = await guarded_economy.person("till", Role.TILL, store="cafeteria")
    body = signed_body()
    status, made, _ = await ada.call("POST", PATH, json=body)
    assert status == 201
    one = f"{PATH}/{made['id']}"
    assert (await ada.call("GET", one))[0] == 200
    assert (await ada.call("GET", PATH))[1]["data"][0]["id"] == made["id"]
    status, problem, _ = await ben.call("GET", one)
    assert (status, problem["code"]) == (404, "standing_order_not_found")
    assert (await ben.call("GET", PATH))[1]["data"] == []
    _, problem, _ = await ben.call("GET", f"{PATH}?before={made['id']}")
    assert problem["code"] == "before_invalid"
    assert (await finance.call("GET", one))[1]["id"] == made["id"]
    for method, path in (("POST", PATH), ("GET", PATH), ("GET", one)):
        assert (await till.call(method, path, json=body))[0] == 403
        anonymous = await guarded_economy.client.call(method, path, json=body)
        assert anonymous[0] == 401
    # Finance looks and registers nothing; who holds the signature sees what it registers.
    assert (await finance.call("POST", PATH, json=signed_body(2)))[0] == 403
    assert (await ben.call("POST", PATH, json=body))[1]["id"] == made["id"]
    assert (await ben.call("GET", one))[0] == 404
