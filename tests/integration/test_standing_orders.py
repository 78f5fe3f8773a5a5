"""Standing orders end to end on a real chain: signed, registered, collected once, or skipped."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from market import BILL, Market, indexing, open_market, wait_for
from oracle_support import Client, served, until_journal_is_read
from relay_scene import relay_settings, watching, write_key

from contracts import billcoin, milk_price_feed, standing_orders
from contracts.abi import call_data
from contracts.milk_price_feed import Price
from contracts.standing_orders import PriceMode, StandingOrder, order_id, standing_order_typed_data
from devnet.dev_accounts import DEPLOYER_INDEX, REGULATOR_INDEX, dev_account, economy_accounts
from devnet.token_calls import balance
from devnet.transactions import Message, address_of, require_success, send
from ledger.store.accounts import NewAccount, insert_account
from ledger.units import UINT256_MAX, Units
from oracle_api.database import Database
from oracle_api.jobs.work import JobContext
from oracle_api.settings import Settings
from oracle_api.standing_orders import keeper
from oracle_api.standing_orders.assembly import collect_due
from oracle_api.standing_orders.keeper import SHARE_SPENT
from oracle_api.times import to_datetime

MYR = 10**8
PATH = "/api/v1/standing-orders"
RELAYER_INDEX = REGULATOR_INDEX


@dataclass
class Stage:
    """A chain with everything on it, an oracle, a keeper, and a payer with BILL."""

    market: Market
    client: Client
    context: JobContext
    payer: LocalAccount
    contract: bytes
    nonces: int = 0

    @property
    def treasury(self) -> bytes:
        return self.market.manifest.deployment.treasury

    def order(self, **changes: Any) -> StandingOrder:
        """Two litres an hour at a fixed RM 6.00, a BILL counting for RM 3.00: 4 BILL."""
        self.nonces += 1
        now = int(time.time())
        order = StandingOrder(
            payer=address_of(self.payer),
            merchant=self.treasury,
            into_vaults=True,
            litres=Units(2 * BILL),
            period_seconds=3600,
            price_mode=PriceMode.FIXED,
            fixed_price=Price(6 * MYR),
            max_price=Price(8 * MYR),
            rate=Price(3 * MYR),
            starts_at_seconds=now - 10,
            ends_at_seconds=now + 90_000,
            nonce=self.nonces,
        )
        return replace(order, **changes)

    def body(self, order: StandingOrder, signer: LocalAccount | None = None) -> dict[str, Any]:
        message = standing_order_typed_data(
            order, chain_id=self.market.chain.chain_id, contract=self.contract
        )
        signed = (signer or self.payer).sign_message(encode_typed_data(full_message=message))
        return {
            "payer": "0x" + order.payer.hex(),
            "merchant": "0x" + order.merchant.hex(),
            "intoVaults": order.into_vaults,
            "litres": str(order.litres // BILL),
            "periodSeconds": order.period_seconds,
            "priceMode": "fixed" if order.price_mode is PriceMode.FIXED else "all_milk",
            "fixedPrice": str(order.fixed_price // MYR),
            "maxPrice": str(order.max_price // MYR),
            "rate": str(order.rate // MYR),
            "startsAt": order.starts_at_seconds,
            "endsAt": order.ends_at_seconds,
            "nonce": str(order.nonce),
            "signature": "0x" + signed.signature.hex(),
        }

    async def post(self, body: dict[str, Any]) -> tuple[int, Any]:
        status, document, _ = await self.client.call("POST", PATH, json=body)
        return status, document

    async def register(self, **changes: Any) -> tuple[StandingOrder, str]:
        order = self.order(**changes)
        status, document = await self.post(self.body(order))
        assert status == 201, document
        return order, document["id"]

    async def read(self, standing_order_id: str) -> Any:
        _, document, _ = await self.client.call("GET", f"{PATH}/{standing_order_id}")
        return document

    async def keep(self) -> None:
        """One run of the keeper, and everything of it in the ledger."""
        await collect_due(self.context)
        await self.market.until_tip()

    async def sent(self) -> int:
        count: int = await self.market.ledger.fetchval(
            "SELECT count(DISTINCT tx_hash) FROM collection_attempt WHERE outcome = 'sent'"
        )
        return count

    async def call(self, contract: bytes, data: bytes, account: LocalAccount) -> None:
        chain_id = self.market.chain.chain_id
        tx_hash = await send(self.market.node, account, Message(contract, data), chain_id=chain_id)
        require_success(await self.market.node.receipt(tx_hash))


def settings_of(market: Market, folder: Path, **changes: Any) -> Settings:
    economy = market.manifest.economy
    assert economy is not None
    more: dict[str, Any] = {
        "standing_orders_address": economy.standing_orders,
        # Reporters use the relay's own place; the regulator has gas and nothing to do here.
        "relayer_key_file": write_key(folder, dev_account(RELAYER_INDEX)),
    }
    return relay_settings(market, folder, **(more | changes))


@contextlib.asynccontextmanager
async def keeping(settings: Settings) -> AsyncIterator[JobContext]:
    database = Database(str(settings.database_url), settings.deployment)
    await database.open()
    try:
        yield JobContext(settings, database, time.time)
    finally:
        await database.close()


@pytest.fixture
async def stage(ledger_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_market(ledger_url, economy=True) as market, indexing(market):
        await market.until_tip()
        settings = settings_of(market, tmp_path)
        economy = market.manifest.economy
        assert economy is not None
        payer: LocalAccount = Account.from_key(os.urandom(32))
        deployer = dev_account(DEPLOYER_INDEX)
        async with keeping(settings) as context, served(settings) as client:
            await until_journal_is_read(client)
            found = Stage(market, client, context, payer, economy.standing_orders)
            await market.mint(address_of(payer), 100 * BILL)
            chain_id = market.chain.chain_id
            gas = Message(address_of(payer), value_wei=10**18)
            await market.node.receipt(await send(market.node, deployer, gas, chain_id=chain_id))
            allowance = call_data(
                billcoin.artifact(), "approve", economy.standing_orders, UINT256_MAX
            )
            await found.call(market.manifest.deployment.token, allowance, payer)
            yield found


async def test_a_period_is_collected_once_into_an_order_that_the_till_sees_paid(
    stage: Stage,
) -> None:
    order, standing_id = await stage.register()
    assert (await stage.read(standing_id))["status"] == "due"
    # Two keepers at the same moment only ask twice.
    await stage.keep()
    await stage.keep()
    await stage.keep()
    assert await stage.sent() == 1
    found = await stage.read(standing_id)
    assert found["status"] == "collected"
    assert found["collected"] == {"count": 1, "bill": "4", "lastPeriod": 0}
    assert (found["lastAttempt"]["outcome"], found["mostPerPeriod"]) == ("sent", "4")
    sold = await stage.client.get(order_id(order, period=0))
    assert sold == sold | {
        "status": "paid",
        "amountMyr": "12.00",
        "amountReceived": "4",
        "amountOwedBack": "0",
        "rateMyrPerBill": "3",
    }
    assert sold["items"] == [{"standingOrder": standing_id, "litres": "2"}]
    events = await stage.market.event_types(order_id(order, period=0))
    assert events == ["order.created", "order.paid"]
    # A reorganisation takes it back; the relay sends what it wrote down again, and nothing new.
    await stage.market.reorg(1)
    async with watching(stage.context.settings):
        await stage.market.mine()

        async def is_paid_again() -> bool:
            events = await stage.market.event_types(sold["id"])
            return events[2:] == ["order.reversed", "order.paid"]

        async def is_sure() -> bool:
            # The node had another tip than the ledger for a moment, which stays noted for a second.
            return bool((await stage.client.call("GET", "/readyz"))[0] == HTTPStatus.OK)

        await wait_for(is_paid_again, "the period's order to be paid again")
        await wait_for(is_sure, "the ledger to be sure again")
        await stage.keep()
    assert await stage.sent() == 1
    assert (await stage.read(standing_id))["collected"]["count"] == 1


async def test_what_cannot_be_collected_is_skipped_with_the_contract_s_reason(
    stage: Stage,
) -> None:
    economy = stage.market.manifest.economy
    assert economy is not None
    _, poor = await stage.register(litres=Units(1000 * BILL))
    _, dear = await stage.register(price_mode=PriceMode.ALL_MILK, max_price=Price(7 * MYR))
    _, early = await stage.register(starts_at_seconds=int(time.time()) + 5_000)
    _, sound = await stage.register()
    cancelled, gone = await stage.register()
    data = call_data(standing_orders.artifact(), "cancel", cancelled.nonce)
    await stage.call(stage.contract, data, stage.payer)
    await stage.market.until_tip()
    await stage.keep()
    await stage.keep()
    told = {name: await stage.read(name) for name in (poor, dear, early, sound, gone)}
    assert told[poor]["lastAttempt"]["reason"] == "insufficient balance"
    assert told[dear]["lastAttempt"]["reason"] == "price above maximum"
    assert (told[early]["status"], told[early]["lastAttempt"]) == ("not_started", None)
    assert (told[gone]["status"], told[gone]["lastAttempt"]) == ("cancelled", None)
    # One that is sound is collected beside them, and reasons are noted once.
    assert told[sound]["status"] == "collected"
    skipped = "SELECT count(*) FROM collection_attempt WHERE outcome = 'skipped'"
    assert await stage.market.ledger.fetchval(skipped) == 2
    # Once the price is old, nothing is collected at it.
    await stage.market.node.call("evm_increaseTime", 90_000 - 200)
    await stage.market.mine()
    await stage.market.until_tip()
    await collect_due(stage.context)
    assert (await stage.read(dear))["lastAttempt"]["reason"] == "stale price"
    page = await stage.client.call("GET", f"{PATH}?limit=2")
    assert (len(page[1]["data"]), page[1]["hasMore"]) == (2, True)
    rest = await stage.client.call("GET", f"{PATH}?limit=9&before={page[1]['next']}")
    assert len(rest[1]["data"]) == 3


async def test_gas_is_bounded_and_nobody_is_collected_beyond(stage: Stage, tmp_path: Path) -> None:
    await stage.register()
    settings = settings_of(stage.market, tmp_path, collect_daily_gas_coin="0.0000000001")
    async with keeping(settings) as context:
        with pytest.raises(Exception, match="the day's gas is spent"):
            await collect_due(context)
    assert await stage.sent() == 0
    # What was refused under the lock left neither a nonce nor an order behind.
    assert await stage.market.ledger.fetchval("SELECT count(*) FROM relay_transaction") == 0
    assert await stage.market.ledger.fetchval("SELECT count(*) FROM orders") == 0
    await stage.keep()
    assert await stage.sent() == 1


async def test_an_account_uses_up_its_own_share_of_the_gas_and_nobody_else_s(
    stage: Stage, tmp_path: Path
) -> None:
    ledger = stage.market.ledger
    await stage.register()
    await stage.keep()
    promised = await ledger.fetchval("SELECT promised_wei FROM collection_attempt")
    # Enough for both, but not for this account's second one.
    coin = str(Decimal(promised) * 5 / 10**18)
    settings = settings_of(stage.market, tmp_path, collect_daily_gas_coin=coin)
    greedy, greedy_id = await stage.register()
    other, other_id = await stage.register()
    now = to_datetime(time.time())
    await insert_account(ledger, NewAccount("acc_other", "other", ["student"], None, None, now))
    other_hash = bytes.fromhex(other_id.removeprefix("sto_"))
    moved = "UPDATE standing_order SET account_id = 'acc_other' WHERE order_hash = $1"
    await ledger.execute(moved, other_hash)

    async def is_paid(order: StandingOrder) -> bool:
        events = await stage.market.event_types(order_id(order, period=0))
        return events == ["order.created", "order.paid"]

    async with keeping(settings) as context:
        await collect_due(context)
        await wait_for(lambda: is_paid(other), "the other account's collection")
        await collect_due(context)
    found = await stage.read(greedy_id)
    assert (found["status"], found["lastAttempt"]["reason"]) == ("due", SHARE_SPENT)
    assert await stage.market.event_types(order_id(greedy, period=0)) == []
    # A day later it has a new share.
    yesterday = "UPDATE collection_attempt SET attempted_at = attempted_at - interval '25 hours'"
    await ledger.execute(yesterday)
    await stage.keep()
    await wait_for(lambda: is_paid(greedy), "the collection of the day after")


async def test_a_share_of_the_gas_counts_within_a_run(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.register()
    await stage.keep()
    promised = await stage.market.ledger.fetchval("SELECT promised_wei FROM collection_attempt")
    yesterday = "UPDATE collection_attempt SET attempted_at = attempted_at - interval '25 hours'"
    await stage.market.ledger.execute(yesterday)
    monkeypatch.setattr(keeper, "COLLECTIONS_AT_ONCE", 1)
    for _ in range(3):
        await stage.register()
    coin = str(Decimal(promised) * 5 / 10**18)
    async with keeping(settings_of(stage.market, tmp_path, collect_daily_gas_coin=coin)) as context:
        await collect_due(context)
    assert await stage.sent() == 2


async def test_who_cannot_pay_for_a_long_period_keeps_nobody_s_place(
    stage: Stage, tmp_path: Path
) -> None:
    for _ in range(3):
        await stage.register(litres=Units(1000 * BILL), period_seconds=80_000)
    settings = settings_of(stage.market, tmp_path, collect_max_orders=1)
    async with keeping(settings) as context:
        await collect_due(context)
        _, sound = await stage.register()
        # One of four a run: that it is not drawn in two hundred has a chance of 1 in 10^24.
        for _ in range(200):
            await collect_due(context)
            if await stage.sent():
                break
    await stage.market.until_tip()
    assert (await stage.read(sound))["status"] == "collected"


async def test_only_what_the_payer_signed_is_registered(stage: Stage) -> None:
    order = stage.order()
    body = stage.body(order)
    stranger: LocalAccount = Account.from_key(os.urandom(32))
    now = int(time.time())
    token = stage.market.manifest.deployment.token
    refused: list[tuple[dict[str, Any], str]] = [
        (stage.body(order, stranger), "signature_invalid"),
        (body | {"litres": "3"}, "signature_invalid"),
        (body | {"nonce": "99"}, "signature_invalid"),
        (body | {"signature": "0x" + "00" * 65}, "signature_invalid"),
        (body | {"signature": "0x12"}, "signature_malformed"),
        (body | {"nonce": "-1"}, "nonce_invalid"),
        (body | {"maxPrice": "1e9"}, "amount_invalid"),
        (body | {"maxPrice": "1000001"}, "amount_invalid"),
        (body | {"litres": "0"}, "terms_invalid"),
        (body | {"rate": "0"}, "terms_invalid"),
        (body | {"endsAt": now - 5}, "terms_invalid"),
        (body | {"periodSeconds": 1}, "parameter_invalid"),
        (body | {"priceMode": "free"}, "parameter_invalid"),
        (body | {"more": 1}, "field_unknown"),
        (body | {"payer": "milk"}, "address_invalid"),
        (stage.body(replace(order, merchant=token)), "terms_invalid"),
    ]
    for wrong, code in refused:
        status, problem = await stage.post(wrong)
        assert (status, problem["code"]) == (400, code), wrong
    assert (await stage.post(body))[0] == 201
    assert (await stage.post(body))[0] == 201
    assert await stage.market.ledger.fetchval("SELECT count(*) FROM standing_order") == 1
    for name in ("sto_" + "0" * 64, "sto_x", "ord_1"):
        status, problem, _ = await stage.client.call("GET", f"{PATH}/{name}")
        assert (status, problem["code"]) == (404, "standing_order_not_found")
    # Asked for at once, which is no way around: 19 more and none beyond.
    answers = await asyncio.gather(*(stage.post(stage.body(stage.order())) for _ in range(30)))
    assert sorted(status for status, _ in answers) == [201] * 19 + [409] * 11
    refused = {document["code"] for status, document in answers if status == 409}
    assert refused == {"too_many_standing_orders"}


async def test_the_price_of_the_moment_is_collected_and_not_beyond(stage: Stage) -> None:
    economy = stage.market.manifest.economy
    assert economy is not None
    _, standing_id = await stage.register(
        price_mode=PriceMode.ALL_MILK, into_vaults=False, rate=Price(8 * MYR)
    )
    for reporter in economy_accounts().reporters:
        data = call_data(milk_price_feed.artifact(), "report", 790 * MYR // 100)
        await stage.call(economy.milk_price_feed, data, reporter)
    await stage.market.until_tip()
    await stage.keep()
    found = await stage.read(standing_id)
    # 2 litres at RM 7.90 are RM 15.80; at RM 8.00 the BILL 1.975.
    assert found["collected"] == {"count": 1, "bill": "1.975", "lastPeriod": 0}
    held = await balance(stage.market.node, stage.market.manifest.deployment.token, stage.treasury)
    assert held == 1_975 * BILL // 1000
    assert await stage.market.ledger.fetchval("SELECT count(*) FROM orders") == 0
