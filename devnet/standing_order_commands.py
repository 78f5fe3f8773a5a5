"""`billcoin-devnet standing-order`: milk that a payer signs for once and pays period by period."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from contracts.followed import Contract
from contracts.milk_price_feed import Price, format_price, parse_price
from contracts.standing_orders import PriceMode, StandingOrder, most_units_a_period
from devnet.console import EXIT_REJECTED, say_result
from devnet.credentials import oracle_and_key
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.home import state_home
from devnet.keystore import DEFAULT_WALLET, Wallet, find_wallet, unlock_wallet
from devnet.manifest import Manifest, load_manifest
from devnet.node import open_node
from devnet.oracle_client import open_oracle
from devnet.parts import actor, events_of, require_economy
from devnet.sandbox_commands import ApiKey, Oracle
from devnet.sensor import chain_time
from devnet.standing_order import (
    add_allowance,
    load_order,
    save_order,
    sign_order,
)
from devnet.transactions import Message, require_success, send
from devnet.wallet_commands import Json, Name, ask_password
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from ledger.units import Units, format_bill, parse_bill

PATH = "/api/v1/standing-orders"
_WEEK_SECONDS = 604_800
_NONCE_BITS = 64
# The estimate of a collection that the next block will refuse is too small for one that it takes.
_COLLECT_GAS = 400_000

standing_order_app = typer.Typer(
    help="Sign once that milk is paid for each period; the oracle's keeper collects.",
    no_args_is_help=True,
)
Id = Annotated[str, typer.Argument(metavar="ID", help="sto_..., as `sign` told.")]


@dataclass(frozen=True)
class _Wishes:
    """What the payer wants, before the chain's clock is asked."""

    litres: Units
    max_price: Price
    fixed_price: Price | None
    rate: Price
    every_seconds: int
    periods: int
    in_seconds: int
    is_direct: bool

    def terms(self, payer: bytes, manifest: Manifest, now: int) -> StandingOrder:
        """The terms, from this moment of the chain on."""
        starts_at = now + self.in_seconds
        return StandingOrder(
            payer=payer,
            merchant=manifest.deployment.treasury,
            into_vaults=not self.is_direct,
            litres=self.litres,
            period_seconds=self.every_seconds,
            price_mode=PriceMode.ALL_MILK if self.fixed_price is None else PriceMode.FIXED,
            fixed_price=self.fixed_price or Price(0),
            max_price=self.max_price,
            rate=self.rate,
            starts_at_seconds=starts_at,
            ends_at_seconds=starts_at + self.periods * self.every_seconds,
            nonce=secrets.randbits(_NONCE_BITS),
        )


@standing_order_app.command()
def sign(
    *,
    litres: Annotated[str, typer.Option(help="Of milk, each period.")],
    max_price: Annotated[str, typer.Option(help="RM a litre; above it nothing is collected.")],
    fixed_price: Annotated[
        str | None, typer.Option(help="RM a litre; by default the all-milk price of the moment.")
    ] = None,
    rate: Annotated[str, typer.Option(help="RM that one BILL counts for.")] = "7.20",
    every: Annotated[int, typer.Option(min=60, help="Seconds of a period.")] = _WEEK_SECONDS,
    periods: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 12,
    starts_in: Annotated[int, typer.Option(min=0, help="Seconds until the first begins.")] = 0,
    direct: Annotated[
        bool, typer.Option("--direct", help="Pay the treasury, and open no orders at the till.")
    ] = False,
    name: Name = DEFAULT_WALLET,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    oracle: Oracle = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Sign a standing order, approve what it may take, and register it with the oracle."""
    wishes = _Wishes(
        litres=parse_bill(litres, param="litres"),
        max_price=parse_price(max_price, param="max-price"),
        fixed_price=None if fixed_price is None else parse_price(fixed_price, param="fixed-price"),
        rate=parse_price(rate, param="rate"),
        every_seconds=every,
        periods=periods,
        in_seconds=starts_in,
        is_direct=direct,
    )
    if wishes.rate == 0:
        raise RejectedError("amount_invalid", "the rate is zero", param="rate")
    asked, key = oracle_and_key(oracle, api_key, state_home())
    signing = _Signing(wishes, find_wallet(state_home(), name), asked, key)
    result = asyncio.run(signing.run(asks=not yes))
    words = f"{result['id']} is registered; at most {result['mostPerPeriod']} BILL a period"
    say_result(result, words, as_json=as_json)


@dataclass(frozen=True)
class _Signing:
    """One run of `sign`."""

    wishes: _Wishes
    payer: Wallet
    oracle_url: str
    api_key: str | None

    async def run(self, *, asks: bool) -> dict[str, Any]:
        home = state_home()
        manifest = load_manifest(home)
        contract, chain_id = require_economy(manifest).standing_orders, manifest.deployment.chain_id
        async with open_node(manifest.node_http_url) as node:
            terms = self.wishes.terms(self.payer.address, manifest, await chain_time(node))
            if asks:
                typer.echo(_describe(terms), err=True)
                if not typer.confirm("Sign?", err=True):
                    raise RejectedError("signature_declined", "nothing was signed")
            account = unlock_wallet(self.payer, ask_password(self.payer.name))
            signed = sign_order(terms, account, chain_id=chain_id, contract=contract)
            saved = save_order(home, signed)
            tx_hash = await add_allowance(
                node,
                account,
                terms,
                chain_id=chain_id,
                token=manifest.deployment.token,
                to=contract,
            )
        async with open_oracle(self.oracle_url, api_key=self.api_key) as oracle:
            registered = await oracle.post(PATH, signed.body())
        return {
            "id": signed.id,
            "mostPerPeriod": format_bill(most_units_a_period(terms)),
            "signed": str(saved),
            "allowanceTxHash": to_hex(tx_hash),
            "registered": registered,
        }


@standing_order_app.command()
def show(
    order_id: Id, *, oracle: Oracle = None, api_key: ApiKey = None, as_json: Json = False
) -> None:
    """Ask the oracle what was collected, and what its keeper did last and why not."""
    asked, key = oracle_and_key(oracle, api_key, state_home())

    async def ask() -> dict[str, Any]:
        async with open_oracle(asked, api_key=key) as client:
            return await client.get(f"{PATH}/{order_id}")

    told = asyncio.run(ask())
    collected, last = told["collected"], told["lastAttempt"] or {}
    words = (
        f"{told['status']}; collected {collected['count']} times, {collected['bill']} BILL; "
        f"last: {last.get('outcome') or 'nothing'} {last.get('reason') or ''}"
    )
    say_result(told, words.strip(), as_json=as_json)


@standing_order_app.command()
def collect(
    order_id: Id,
    *,
    wallet: Annotated[
        str | None, typer.Option("--wallet", help="Who sends it; by default the devnet's faucet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send a collection as anybody may, and tell what the contract made of it, in its own words.

    Exit status 2 when it collected nothing. The oracle's keeper does this by itself.
    """
    home = state_home()
    manifest, order = load_manifest(home), load_order(home, order_id)
    contract = require_economy(manifest).standing_orders
    sender = actor(wallet, dev_account(DEPLOYER_INDEX), manifest.deployment.chain_id)

    async def run() -> dict[str, Any]:
        async with open_node(manifest.node_http_url) as node:
            tx_hash = await send(
                node,
                sender,
                Message(contract, order.collect_data()),
                chain_id=manifest.deployment.chain_id,
                gas_limit=_COLLECT_GAS,
            )
            receipt = require_success(await node.receipt(tx_hash))
            told = await events_of(node, tx_hash, Contract.STANDING_ORDERS, contract)
        return {
            "id": order.id,
            **_outcome({name: event.arguments for name, event in told.items()}),
            "txHash": to_hex(tx_hash),
            "blockNumber": receipt.block_number,
        }

    result = asyncio.run(run())
    words = (
        f"collected {result['bill']} BILL for period {result['period']}"
        if result["collected"]
        else f"not collected: {result['refusal']}"
    )
    say_result(result, words, as_json=as_json)
    if not result["collected"]:
        raise typer.Exit(EXIT_REJECTED)


def _outcome(told: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if "Collected" in told:
        said = told["Collected"]
        return {
            "collected": True,
            "refusal": None,
            "period": int(said["period"]),
            "bill": format_bill(Units(int(said["units"]))),
            "price": format_price(int(said["price"])),
        }
    said = told.get("CollectionSkipped") or told["CollectionRefused"]
    period = said.get("period")
    return {
        "collected": False,
        "refusal": said["reason"],
        "period": None if period is None else int(period),
        "bill": "0",
        "price": None,
    }


def _describe(terms: StandingOrder) -> str:
    """What the person is about to agree to."""
    price = (
        "the all-milk price"
        if terms.price_mode is PriceMode.ALL_MILK
        else f"RM {format_price(terms.fixed_price)}"
    )
    return (
        f"Pay for {format_bill(terms.litres)} l every {terms.period_seconds} s\n"
        f"  from   {format_address(terms.payer)}\n"
        f"  to     {format_address(terms.merchant)}\n"
        f"  price  {price} a litre, at most RM {format_price(terms.max_price)}\n"
        f"  most   {format_bill(most_units_a_period(terms))} BILL a period"
    )
