"""Every way in which a payment goes wrong, by name: real chain, real indexer, real oracle."""

import asyncio
import collections
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from shop import Shop
from street import Street, recipient

from contracts import devnet_ringgit
from devnet import token_calls
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.faucet import give
from devnet.ports import LOOPBACK, free_port
from devnet.transactions import address_of
from ledger.keccak import keccak256
from ledger.units import Units, parse_bill

pytestmark = pytest.mark.asyncio(loop_scope="module")

THOUSAND = 1000
# Anvil calls safe what lies an epoch of 32 blocks below its head, and final what lies two.
SAFE_BLOCKS = 33
FINALITY_BLOCKS = 65
PAYERS = (5, 6, 7)


@pytest.fixture
def street(shop: Shop) -> Street:
    return Street(shop)


async def claims(shop: Shop, *tx_hashes: str) -> list[str]:
    """The orders that claim a transaction's canonical transfers, as the database has it."""
    connection = await asyncpg.connect(shop.variables["DATABASE_URL"])
    try:
        rows = await connection.fetch(
            "SELECT p.order_id FROM payment p JOIN transfer t USING (chain_id, block_hash, "
            "log_index) WHERE t.tx_hash = ANY($1) AND t.canonical ORDER BY t.log_index",
            [bytes.fromhex(one[2:]) for one in tx_hashes],
        )
        return [row["order_id"] for row in rows]
    finally:
        await connection.close()


async def test_one_tx_pays_two_orders(street: Street) -> None:
    first, second = await street.order(), await street.order()
    paid = await street.pay_at_once([(recipient(first), "0.25"), (recipient(second), "0.25")])
    assert await street.code(paid) == "order_ambiguous"
    for order in (first, second):
        said = await street.verdict(paid, orderId=order["id"])
        assert (said["valid"], said["verdict"]["orderId"]) == (True, order["id"])
        assert (await street.read(order))["status"] == "paid"
    assert await claims(street.shop, paid) == [first["id"], second["id"]]


async def test_one_order_paid_by_two_txs(street: Street) -> None:
    order = await street.order()
    part = await street.pay(order, "0.1")
    assert await street.code(part) == "underpaid"
    rest = await street.pay(order, "0.15")
    assert await street.code(rest) == "valid"
    assert await street.code(part) == "part_payment"
    found = await street.read(order)
    assert (found["status"], found["amountOwedBack"]) == ("paid", "0")
    assert [payment["amount"] for payment in found["payments"]] == ["0.1", "0.15"]


async def test_two_transfers_in_one_tx(street: Street) -> None:
    order = await street.order()
    paid = await street.pay_at_once([(recipient(order), "0.2"), (recipient(order), "0.05")])
    assert await street.code(paid) == "valid"
    assert await claims(street.shop, paid) == [order["id"]] * 2
    assert (await street.read(order))["amountReceived"] == "0.25"


async def test_mixed_case_hash(street: Street) -> None:
    order = await street.order()
    paid = await street.pay(order)
    digits = paid[2:]
    mixed = "".join(one.upper() if at % 2 else one for at, one in enumerate(digits))
    codes = {await street.code("0x" + text) for text in (digits, digits.upper(), mixed)}
    assert codes == {"valid"}


async def test_under(street: Street) -> None:
    order = await street.order()
    paid = await street.pay(order, "0.249999999999999999")
    said = await street.verdict(paid)
    assert (said["valid"], said["error"]) == (False, "underpaid")
    assert said["verdict"]["retryable"] is True
    assert (await street.read(order))["status"] == "underpaid"


async def test_over(street: Street) -> None:
    order = await street.order()
    paid = await street.pay(order, "0.250000000000000001")
    assert await street.code(paid) == "valid"
    # The server's amount decides, not what was paid.
    assert await street.code(paid, "0.250000000000000001") == "amount_mismatch"
    assert (await street.read(order))["amountOwedBack"] == "0.000000000000000001"


async def test_late(street: Street) -> None:
    order = await street.order()
    await street.shop.node.call("evm_increaseTime", 1000)
    paid = await street.pay(order)
    assert await street.code(paid) == "paid_late"
    found = await street.read(order)
    assert (found["status"], found["amountOwedBack"]) == ("paid_late", "0.25")
    # The chain is ahead of our clock now, and the next order lives as long as any.
    fresh = await street.order()
    assert await street.code(await street.pay(fresh)) == "valid"


async def test_duplicate(street: Street) -> None:
    order = await street.order()
    first, second = await street.pay(order), await street.pay(order)
    assert await street.code(first) == "valid"
    assert await street.code(second) == "duplicate_payment"
    assert (await street.read(order))["amountOwedBack"] == "0.25"


async def test_after_cancel(street: Street) -> None:
    order = await street.order()
    path = f"{street.shop.url}/api/v1/orders/{order['id']}/cancel"
    async with street.shop.http.post(path) as answer:
        assert answer.status == 200
    paid = await street.pay(order)
    assert await street.code(paid) == "order_cancelled"
    assert (await street.read(order))["amountOwedBack"] == "0.25"


async def test_to_the_token_contract(street: Street) -> None:
    paid = await street.pay(street.token)
    assert await street.code(paid) == "not_for_an_order"
    assert await claims(street.shop, paid) == []


async def test_of_another_token(street: Street) -> None:
    order = await street.order()
    deployed = await street.send(devnet_ringgit.init_code(), to=None)
    receipt = await street.shop.node.receipt(bytes.fromhex(deployed[2:]))
    assert receipt.contract is not None
    await street.send(
        token_calls.mint(bytes.fromhex(street.payer.address[2:]), parse_bill("9")),
        to=receipt.contract,
    )
    paid = await street.send(
        token_calls.transfer(recipient(order), parse_bill("0.25")), to=receipt.contract
    )
    assert await street.code(paid) == "transaction_not_found"
    assert (await street.read(order))["status"] == "awaiting_payment"


async def test_zero_value(street: Street) -> None:
    order = await street.order()
    paid = await street.pay(order, "0")
    assert await street.code(paid) == "underpaid"
    assert (await street.read(order))["status"] == "awaiting_payment"


async def test_reorg_puts_the_payment_in_another_block(street: Street) -> None:
    order = await street.order()
    raw = await street.signed(recipient(order), "0.25", nonce=await street.nonce())
    paid = "0x" + keccak256(bytes.fromhex(raw[2:])).hex()
    await street.shop.node.call("eth_sendRawTransaction", raw)
    await street.shop.node.receipt(bytes.fromhex(paid[2:]))  # its block is made after the answer
    before = (await street.verdict(paid))["verdict"]
    await street.shop.mine(1)
    await street.reorganise(2, (raw, 1))
    after = (await street.verdict(paid))["verdict"]
    assert (before["code"], after["code"]) == ("valid", "valid")
    assert after["blockNumber"] == before["blockNumber"] + 1
    assert after["blockHash"] != before["blockHash"]
    assert await claims(street.shop, paid) == [order["id"]]
    assert (await street.read(order))["amountReceived"] == "0.25"


async def test_reorg_puts_the_payment_in_another_order(street: Street) -> None:
    order, other = await street.order(), await street.order()
    nonce = await street.nonce()
    paid = await street.pay(order)
    assert await street.code(paid) == "valid"
    # The payer spends the same nonce, hence the same BILL, on another order.
    raw = await street.signed(recipient(other), "0.25", nonce=nonce)
    await street.reorganise(1, (raw, 0))
    moved = "0x" + keccak256(bytes.fromhex(raw[2:])).hex()
    assert await street.code(moved) == "valid"
    assert await street.code(paid) == "payment_reversed"
    assert (await street.read(order))["status"] == "reversed"
    assert (await street.read(other))["status"] == "paid"


async def test_reorg_puts_the_payment_out(street: Street) -> None:
    order = await street.order()
    paid = await street.pay(order)
    assert await street.code(paid) == "valid"
    await street.reorganise(1)
    said = await street.verdict(paid)
    assert (said["valid"], said["error"]) == (False, "payment_reversed")
    found = await street.read(order)
    assert (found["status"], found["amountReceived"]) == ("reversed", "0")
    assert await claims(street.shop, paid) == []


async def test_the_same_tx_validated_a_thousand_times_at_once(street: Street) -> None:
    """Over many orders, from before its block on: one claim, and one answer to each question."""
    orders = [await street.order() for _ in range(20)]
    paying = random.Random(1).choice(orders)  # noqa: S311 - any of them will do
    await street.shop.node.call("evm_setAutomine", False)  # noqa: FBT003 - as the method takes it
    try:
        raw = await street.signed(recipient(paying), "0.25", nonce=await street.nonce())
        paid = "0x" + keccak256(bytes.fromhex(raw[2:])).hex()
        await street.shop.node.call("eth_sendRawTransaction", raw)
        # As the same account: strangers may not ask so often.
        own, unlimited = street.shop.http.headers, aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=own, connector=unlimited) as http:
            early = Street(street.shop)
            early.shop = _with_http(street.shop, http)
            asked = [
                asyncio.create_task(early.ask(paid, orderId=orders[at % 20]["id"]))
                for at in range(THOUSAND)
            ]
            await street.shop.mine(1)
            answers = await asyncio.gather(*asked)
            assert {status for status, _ in answers} == {200}
            early_codes = {said["verdict"]["code"] for _, said in answers}
            assert early_codes <= {"valid", "order_mismatch", "transaction_not_found"}
            assert await street.code(paid) == "valid"
            late = await asyncio.gather(
                *(early.ask(paid, orderId=orders[at % 20]["id"]) for at in range(THOUSAND))
            )
    finally:
        await street.shop.node.call("evm_setAutomine", True)  # noqa: FBT003
    told: dict[str, set[str]] = collections.defaultdict(set)
    for at, (status, said) in enumerate(late):
        assert status == 200
        told[orders[at % 20]["id"]].add(said["verdict"]["code"])
    assert told == {
        order["id"]: {"valid" if order is paying else "order_mismatch"} for order in orders
    }
    assert await claims(street.shop, paid) == [paying["id"]]


def _with_http(shop: Shop, http: aiohttp.ClientSession) -> Shop:
    return Shop(shop.node, shop.manifest, shop.folder, shop.variables, shop.url, http)


@pytest.mark.parametrize(
    "amount",
    [
        *("0.2500000000000000001", "2.5e-1", "25E-2", "-0.25", "NaN", "Infinity", ""),
        *("9" * 78, "9" * 79, "1" + "0" * 200),
        *(0.25, -1, 1e400, None, True),
    ],
    ids=str,
)
async def test_an_amount_that_is_no_plain_decimal(street: Street, amount: object) -> None:
    """Too many decimals, exponents, negative, NaN, huge: of a payment that is there and right."""
    order = await street.order()
    paid = await street.pay(order)
    assert await street.code(paid) == "valid"
    status, said = await street.ask(paid, amount)
    assert status == 400
    assert (said["valid"], said["confirmedAt"]) == (False, None)
    assert said["error"] == ("body_malformed" if amount == 1e400 else "amount_invalid")


async def test_a_currency_of_the_askers_choice(street: Street) -> None:
    order = await street.order()
    paid = await street.pay(order)
    assert await street.code(paid, "1.80", currency="MYR") == "valid"
    assert await street.code(paid, "1.8", currency="MYR") == "valid"
    assert await street.code(paid, "0.25", currency="BILL") == "valid"
    assert await street.code(paid, "0.25", currency="MYR") == "amount_mismatch"
    for currency in ("USD", "bill", "", 1):
        status, said = await street.ask(paid, currency=currency)
        assert (status, said["error"]) == (400, "currency_unknown")


async def test_a_hash_that_nobody_has_sent(street: Street) -> None:
    assert await street.code("0x" + secrets.token_hex(32)) == "transaction_not_found"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kiosk(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    """Another store of the same ledger: an oracle that lets little be released before it is final.

    A payer may have two milks of RM 1.80 out, the store four.
    """
    port = free_port()
    own = {
        "BILLCOIN_ORACLE_PORT": str(port),
        "BILLCOIN_STORE_ID": "kiosk",
        "BILLCOIN_PAYER_EXPOSURE_LIMIT_MYR": "4.00",
        "BILLCOIN_STORE_EXPOSURE_LIMIT_MYR": "8.00",
    }
    store = replace(
        shop,
        url=f"http://{LOOPBACK}:{port}",
        variables=shop.variables | own,
        folder=tmp_path_factory.mktemp("kiosk"),
        started=[],
    )
    for payer in PAYERS:
        await give(
            shop.node,
            dev_account(DEPLOYER_INDEX),
            address_of(dev_account(payer)),
            deployment=shop.manifest.deployment,
            units=Units(parse_bill("10")),
            gas_wei=0,
        )
    try:
        await store.start_oracle()
        yield Street(store)
    finally:
        await store.stop_oracle()


async def sold(kiosk: Street, *payers: int) -> list[tuple[dict[str, Any], str]]:
    """A milk for each of these payers, one after the other; the orders and their transactions."""
    sales = []
    for payer in payers:
        order = await kiosk.order()
        sales.append((order, await kiosk.pay(order, sender=payer)))
    await kiosk.verdict(sales[-1][1])
    return sales


async def policies(kiosk: Street, sales: list[tuple[dict[str, Any], str]]) -> list[list[str]]:
    """What each order stands at, the depth it waits for, and why."""
    orders = [await kiosk.read(order) for order, _ in sales]
    keys = ("requiredFinality", "reason")
    return [[one["status"], *(one["confirmationPolicy"][key] for key in keys)] for one in orders]


@pytest.mark.parametrize(
    ("payers", "reason"),
    [
        # The third milk of one payer while two are out.
        ((5, 5, 5), "payer_exposure"),
        # Nobody has more than two out, but the store four.
        ((5, 6, 5, 6, 7), "store_exposure"),
    ],
)
async def test_more_than_payer_or_store_may_have_out_waits_for_a_deeper_block(
    kiosk: Street, payers: tuple[int, ...], reason: str
) -> None:
    sales = await sold(kiosk, *payers)
    (held, held_tx), released = sales[-1], sales[:-1]
    # The limits are in every order, and what an order waits for with the reason.
    policy = (await kiosk.read(held))["confirmationPolicy"]
    assert policy == {
        "requiredFinality": "safe",
        "reason": reason,
        "payerExposureLimitMyr": "4.00",
        "storeExposureLimitMyr": "8.00",
    }
    free = ["paid", "included", "amount"]
    assert await policies(kiosk, sales) == [free] * len(released) + [["detected", "safe", reason]]
    assert await kiosk.code(held_tx) == "awaiting_finality"
    # What is not final exposes, however safe it is; the order itself need only be safe.
    await kiosk.shop.mine(SAFE_BLOCKS)
    await kiosk.until(held, "paid")
    assert await kiosk.code(held_tx) == "valid"
    ((again, _),) = await sold(kiosk, payers[-1])
    assert (await kiosk.read(again))["confirmationPolicy"]["reason"] == reason
    # Final, nothing is exposed any more, and the next milk is released at once.
    await kiosk.shop.mine(FINALITY_BLOCKS)
    for order in (*(order for order, _ in sales), again):
        await kiosk.until(order, "settled")
    fresh = await sold(kiosk, payers[-1])
    assert await policies(kiosk, fresh) == [free]
    await kiosk.shop.mine(FINALITY_BLOCKS)
    await kiosk.until(fresh[0][0], "settled")
