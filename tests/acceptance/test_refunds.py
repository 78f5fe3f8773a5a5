"""A refund on a real chain: swept, promised, paid from the treasury, proved, reversed, settled."""

import asyncio
from decimal import Decimal
from typing import Any

import orjson
import pytest
from shop import Shop
from street import PATIENCE_SECONDS, Street

from devnet.dev_accounts import TREASURY_INDEX
from devnet.services import console_script

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What anvil calls final lies two epochs of 32 blocks below its head.
FINALITY_BLOCKS = 65
STUDENT = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


@pytest.fixture
def street(shop: Shop) -> Street:
    return Street(shop)


async def console(shop: Shop, *arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        console_script("billcoin-indexer"),
        *(*arguments, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=shop.variables,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    found: dict[str, Any] = orjson.loads(out)
    return found


async def until_refund(street: Street, path: str, status: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            _, found = await street.call("GET", path)
            if found["status"] == status:
                return found
            await asyncio.sleep(0.02)


async def until_proved(street: Street, tx_hash: str) -> dict[str, Any]:
    """The proof, which the indexer makes beside the blocks: until then an answer says so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            status, found = await street.call("GET", f"/payments/{tx_hash}/proof")
            if status == 200:
                return found
            assert (status, found["code"]) == (503, "proof_pending"), found
            await asyncio.sleep(0.02)


async def test_a_double_payment_is_refunded_and_the_chain_proves_it(street: Street) -> None:
    order = await street.order()
    await street.pay(order)
    second = await street.pay(order)
    assert await street.code(second) == "duplicate_payment"
    refunds = f"/orders/{order['id']}/refunds"
    asked = {"amount": "0.25", "to": STUDENT, "reason": "duplicate_payment", "note": "paid twice"}
    key = {"Idempotency-Key": order["id"]}
    status, said = await street.call("POST", refunds, json=asked, headers=key)
    assert (status, said["code"]) == (409, "refund_awaits_finality")
    await street.shop.mine(FINALITY_BLOCKS)
    await street.until(order, "settled")
    await street.sweep(order)
    status, refund = await street.call("POST", refunds, json=asked, headers=key)
    assert (status, refund["status"]) == (201, "requested")

    one = f"{refunds}/{refund['id']}"
    start = await street.shop.node.head()
    paid = await street.pay(bytes.fromhex(STUDENT[2:]), "0.25", sender=TREASURY_INDEX)
    status, sent = await street.call("POST", one + "/transaction", json={"txHash": paid})
    assert (status, sent["status"]) == (200, "sent")
    await street.shop.mine(1)
    verified = await until_refund(street, one, "verified")
    assert verified["proof"]["blockNumber"] == int(start["number"], 16) + 1
    found = await street.read(order)
    assert (found["status"], found["amountOwedBack"], found["amountRefunded"]) == (
        *("settled", "0", "0.25"),
    )

    await street.reorganise(2)
    await until_refund(street, one, "reversed")
    assert (await street.read(order))["amountOwedBack"] == "0.25"
    again = await street.pay(bytes.fromhex(STUDENT[2:]), "0.25", sender=TREASURY_INDEX)
    if again != paid:
        await street.call("POST", one + "/transaction", json={"txHash": again})
    await street.shop.mine(FINALITY_BLOCKS)
    await until_refund(street, one, "settled")
    proof = await until_proved(street, again)
    assert int(proof["transfers"][0]["amountUnits"]) == 25 * 10**16

    report = await console(street.shop, "treasury")
    assert (report["swept"], report["refunded"], report["in_vaults"]) == ("0.5", "0.25", "0")
    assert report["unmatched"] == []
    assert (report["unmatched_in"], report["unmatched_out"]) == ("0", "0")
    assert (await console(street.shop, "replay-check"))["sound"] is True


async def test_what_nothing_explains_is_listed(street: Street) -> None:
    before = await console(street.shop, "treasury")
    order = await street.order()
    await street.pay(order)
    await street.pay(street.shop.manifest.deployment.treasury, "7")
    await street.pay(street.token, "0.5")
    spent = await street.pay(bytes.fromhex(STUDENT[2:]), "1", sender=TREASURY_INDEX)
    await street.until(order, "paid")
    assert await street.code(spent) == "not_for_an_order"
    report = await console(street.shop, "treasury", "--limit", "3")
    told = [(one["direction"], one["amount"]) for one in report["unmatched"]]
    assert told == [("out", "1"), ("in", "0.5"), ("in", "7")]
    assert report["unmatched"][0]["txHash"] == spent
    assert Decimal(report["in_vaults"]) == Decimal(before["in_vaults"]) + Decimal("0.25")
    # Swept, it is explained.
    await street.sweep(order)
    await street.code(spent)
    after = await console(street.shop, "treasury", "--limit", "0")
    assert (after["in_vaults"], after["unmatched"]) == (before["in_vaults"], [])
    assert after["unmatched_in"] == report["unmatched_in"] == "7.5"
