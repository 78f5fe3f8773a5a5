"""The milk economy on a devnet: which contracts with which terms, and the parts people play."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from contracts import (
    billcoin,
    devnet_ringgit,
    milk_market,
    milk_price_feed,
    minting_module,
    standing_orders,
)
from contracts.abi import call_data
from contracts.milk_market import SupplierKind
from contracts.milk_price_feed import PRICE_DECIMALS, Policy
from contracts.minting_module import HTST, LTLT
from contracts.signing import LocalAccount
from devnet import token_calls
from devnet.dev_accounts import EconomyAccounts
from devnet.node import Node
from devnet.transactions import Message, address_of, require_success, send, send_in_order
from ledger.deployment import Economy
from ledger.json_hex import read_quantity
from ledger.keccak import keccak256
from ledger.rlp_encoding import encode_bytes, encode_int, encode_joined
from ledger.units import BILL_DECIMALS, UINT256_MAX, Units

# Short waits, so that everything can be tried in an afternoon; a real deployment takes days.
DELAY_SECONDS = 60
REVIEW_SECONDS = 120
JUDGEMENT_SECONDS = 300
MAX_BATCH_AGE_SECONDS = 86_400
PRICE_WINDOW_SECONDS = 60
PRICE_STALE_AFTER_SECONDS = 86_400
LITRE = Units(10**BILL_DECIMALS)
SECOND_SENSOR_ABOVE = Units(1_000 * LITRE)
YEARLY_QUOTA = Units(1_000_000 * LITRE)
SUBSIDY_PER_LITRE = 10 ** (devnet_ringgit.DECIMALS - 1)
SETTLEMENT_PER_LITRE = 3 * 10**devnet_ringgit.DECIMALS
POOL_UNITS = 10**6 * 10**devnet_ringgit.DECIMALS
FIRST_PRICE = 720 * 10 ** (PRICE_DECIMALS - 2)
"""Ringgit per litre; what the shop's fixed rate is by default."""

# No estimate can see what transactions that still wait will have done, so gas is given by bounds.
_CALL_GAS = 400_000
_DEPLOY_GAS = 1_300_000
_DEPLOY_GAS_PER_BYTE = 216


@dataclass(frozen=True)
class _Places:
    """Where the contracts will be: an address follows from its deployer and his nonce."""

    ringgit: bytes
    economy: Economy


def deployed_at(deployer: bytes, nonce: int) -> bytes:
    """The address of the contract that a transaction with this nonce deploys."""
    return keccak256(encode_joined([encode_bytes(deployer), encode_int(nonce)]))[-20:]


def _places(deployer: bytes, first_nonce: int) -> _Places:
    ringgit, module, market, feed, orders = (
        deployed_at(deployer, first_nonce + position) for position in range(5)
    )
    return _Places(ringgit, Economy(module, market, feed, orders))


def _codes(
    places: _Places,
    accounts: EconomyAccounts,
    *,
    token: bytes,
    vault_factory: bytes,
    price_age_seconds: int,
) -> Iterator[bytes]:
    """What deploys the contracts, in the order of their places."""
    economy, regulator = places.economy, address_of(accounts.regulator)
    yield devnet_ringgit.init_code()
    yield minting_module.init_code(
        minting_module.Terms(
            bill=token,
            subsidy_token=places.ringgit,
            regulator=regulator,
            delay_seconds=DELAY_SECONDS,
            standards=(HTST, LTLT),
            max_age_seconds=MAX_BATCH_AGE_SECONDS,
            second_sensor_above_litres=SECOND_SENSOR_ABOVE,
            subsidy_per_litre=SUBSIDY_PER_LITRE,
        )
    )
    yield milk_market.init_code(
        milk_market.Terms(
            bill=token,
            dairy_register=economy.minting_module,
            settlement_token=places.ringgit,
            regulator=regulator,
            delay_seconds=DELAY_SECONDS,
            settlement_per_litre=SETTLEMENT_PER_LITRE,
            review_seconds=REVIEW_SECONDS,
            judgement_seconds=JUDGEMENT_SECONDS,
        )
    )
    yield milk_price_feed.init_code(
        delay_seconds=DELAY_SECONDS,
        reporters=[address_of(reporter) for reporter in accounts.reporters],
        policy=_policy(len(accounts.reporters)),
    )
    yield standing_orders.init_code(
        bill=token,
        order_vault_factory=vault_factory,
        delay_seconds=DELAY_SECONDS,
        feed=economy.milk_price_feed,
        max_price_age_seconds=price_age_seconds,
    )


def _policy(reporters: int) -> Policy:
    return Policy(
        min_reports=3,
        breaker_reports=max(reporters, 4),
        max_deviation_bps=1_000,
        window_seconds=PRICE_WINDOW_SECONDS,
        stale_after_seconds=PRICE_STALE_AFTER_SECONDS,
    )


def _appointments(places: _Places, *, token: bytes) -> Iterator[Message]:
    """What the deployer does as owner: the module mints, the pools have money to pay with."""
    economy = places.economy
    appoint = True
    minter = economy.minting_module
    yield Message(token, call_data(billcoin.artifact(), "set_minter", minter, appoint))
    for pool in (economy.minting_module, economy.milk_market):
        yield Message(
            places.ringgit, call_data(devnet_ringgit.artifact(), "mint", pool, POOL_UNITS)
        )


@dataclass(frozen=True)
class SentEconomy:
    """The contracts, and the transactions that put them there."""

    economy: Economy
    tx_hashes: tuple[bytes, ...]


async def send_economy(
    node: Node,
    deployer: LocalAccount,
    accounts: EconomyAccounts,
    *,
    chain_id: int,
    first_nonce: int,
    token: bytes,
    vault_factory: bytes,
    price_age_seconds: int = PRICE_STALE_AFTER_SECONDS,
) -> SentEconomy:
    """Send all that the deployer has to do, without waiting for a block.

    The module becomes a minter of BILL. The deployer stays one, for the faucet's sake; where BILL
    is worth something its owner then calls `set_minter(deployer, False)` (ADR 8). Standing orders
    are collected at an all-milk price that is at most `price_age_seconds` old.
    """
    places = _places(address_of(deployer), first_nonce)
    codes = _codes(
        places,
        accounts,
        token=token,
        vault_factory=vault_factory,
        price_age_seconds=price_age_seconds,
    )
    messages = [
        *((Message(None, code), _DEPLOY_GAS + _DEPLOY_GAS_PER_BYTE * len(code)) for code in codes),
        *((message, _CALL_GAS) for message in _appointments(places, token=token)),
    ]
    hashes = [
        await send(
            node, deployer, message, chain_id=chain_id, nonce=first_nonce + place, gas_limit=gas
        )
        for place, (message, gas) in enumerate(messages)
    ]
    return SentEconomy(places.economy, tuple(hashes))


async def open_economy(
    node: Node, economy: Economy, accounts: EconomyAccounts, *, chain_id: int, token: bytes
) -> None:
    """Let everybody in: dairy, sensors, supplier and quotas approved, a first price reported.

    Raises:
        RejectedError: A transaction was reverted, most likely since all this was done before.
    """
    timestamp = read_quantity((await node.head())["timestamp"], field="timestamp")
    year = datetime.fromtimestamp(timestamp, UTC).year
    report = call_data(milk_price_feed.artifact(), "report", FIRST_PRICE)
    allowance = token_calls.approve(economy.milk_market, UINT256_MAX)
    plans: list[tuple[LocalAccount, Sequence[Message]]] = [
        (accounts.regulator, tuple(_approvals(economy, accounts, year))),
        (accounts.dairy, (Message(token, allowance),)),
        *(
            (reporter, (Message(economy.milk_price_feed, report),))
            for reporter in accounts.reporters
        ),
    ]
    hashes = await asyncio.gather(
        *(
            send_in_order(node, account, messages, chain_id=chain_id, gas_limit=_CALL_GAS)
            for account, messages in plans
        )
    )
    for tx_hash in (found for some in hashes for found in some):
        require_success(await node.receipt(tx_hash))


def _approvals(economy: Economy, accounts: EconomyAccounts, year: int) -> Iterator[Message]:
    module, market = minting_module.artifact(), milk_market.artifact()
    dairy = address_of(accounts.dairy)
    yield Message(economy.minting_module, call_data(module, "approve_dairy", dairy))
    for sensor in accounts.sensors:
        data = call_data(module, "approve_sensor", address_of(sensor), dairy)
        yield Message(economy.minting_module, data)
    for quota_year in (year, year + 1):
        data = call_data(module, "set_quota", dairy, quota_year, YEARLY_QUOTA)
        yield Message(economy.minting_module, data)
    supplier = address_of(accounts.supplier)
    data = call_data(market, "approve_supplier", supplier, int(SupplierKind.FEED))
    yield Message(economy.milk_market, data)
