"""`billcoin-devnet wallet`: the reference partner wallet on the command line."""

import asyncio
import os
from functools import partial
from typing import Annotated, Any

import typer

from contracts.signing import LocalAccount
from devnet.accounts import API_KEY_VARIABLE
from devnet.console import say_result
from devnet.credentials import api_key_for
from devnet.home import state_home
from devnet.keystore import (
    DEFAULT_WALLET,
    Wallet,
    create_wallet,
    find_wallet,
    list_wallets,
    unlock_wallet,
)
from devnet.manifest import load_manifest
from devnet.node import open_node
from devnet.oracle_client import open_oracle
from devnet.payment import Plan, broadcast, broadcast_gasless, plan_payment
from devnet.sent import keep_sent, resend_sent
from devnet.token_calls import balance
from devnet.transactions import require_success
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address
from ledger.units import format_bill, format_decimal

PASSWORD_VARIABLE = "BILLCOIN_WALLET_PASSWORD"  # noqa: S105 - a variable's name

wallet_app = typer.Typer(
    help="A reference wallet: make one, look at it, pay a QR code's request with it.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Option("--name", "-n", help="Which wallet.")]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


def ask_password(wallet_name: str, *, twice: bool = False) -> str:
    """The password out of `BILLCOIN_WALLET_PASSWORD`, else typed in."""
    given = os.environ.get(PASSWORD_VARIABLE)
    if given:
        return given
    typed: str = typer.prompt(
        f"Password of {wallet_name}", hide_input=True, confirmation_prompt=twice, err=True
    )
    return typed


def _fields(wallet: Wallet) -> dict[str, Any]:
    return {"name": wallet.name, "address": format_address(wallet.address)}


@wallet_app.command()
def new(*, name: Name = DEFAULT_WALLET, as_json: Json = False) -> None:
    """Make a wallet with a new random key, encrypted with a password."""
    wallet = create_wallet(state_home(), name, ask_password(name, twice=True))
    say_result(
        _fields(wallet) | {"keystore": str(wallet.path)},
        f"{wallet.name} {format_address(wallet.address)}\nencrypted key: {wallet.path}",
        as_json=as_json,
    )


@wallet_app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the wallets in the state folder."""
    wallets = list_wallets(state_home())
    lines = "\n".join(f"{wallet.name} {format_address(wallet.address)}" for wallet in wallets)
    say_result(
        {"wallets": [_fields(wallet) for wallet in wallets]},
        lines or "no wallet yet: `billcoin-devnet wallet new` makes one",
        as_json=as_json,
    )


@wallet_app.command("balance")
def balance_(*, name: Name = DEFAULT_WALLET, as_json: Json = False) -> None:
    """Show how much BILL a wallet has, and how much of the chain's coin to pay gas with."""
    wallet = find_wallet(state_home(), name)
    manifest = load_manifest(state_home())

    async def ask() -> tuple[str, str]:
        async with open_node(manifest.node_http_url) as node:
            units = await balance(node, manifest.deployment.token, wallet.address)
            gas_wei = await node.quantity("eth_getBalance", to_hex(wallet.address), "latest")
            return format_bill(units), format_decimal(gas_wei, decimals=18)

    bill, gas = asyncio.run(ask())
    say_result(
        _fields(wallet) | {"bill": bill, "gas": gas}, f"{bill} BILL, {gas} for gas", as_json=as_json
    )


@wallet_app.command()
def pay(
    uri: Annotated[str, typer.Argument(help="What the QR code says: ethereum:...")],
    *,
    name: Name = DEFAULT_WALLET,
    gasless: Annotated[
        bool, typer.Option("--gasless", help="Sign only (ERC-3009); the relayer pays for gas.")
    ] = False,
    relayer: Annotated[
        str | None, typer.Option(help="The wallet that broadcasts and pays for gas.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    oracle: Annotated[
        str | None, typer.Option(help="Ask this oracle's verdict afterwards, e.g. its base URL.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar=API_KEY_VARIABLE, help="With --oracle: a partner's key, if you have one."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Pay a payment request: check it, say what will happen, ask, sign, broadcast, wait."""
    if gasless != (relayer is not None):
        raise RejectedError("relayer_needed", "--gasless and --relayer NAME go together")
    home = state_home()
    relaying = None if relayer is None else find_wallet(home, relayer)
    # Before anything is paid: a key that must not be sent there is refused in time.
    key = None if oracle is None else api_key_for(oracle, api_key, home)
    payer = find_wallet(home, name)
    payment = _Payment(uri, payer, relaying, oracle, asks=not yes, api_key=key)
    result = asyncio.run(payment.run())
    say_result(result, _describe(result), as_json=as_json)


@wallet_app.command()
def resend(
    tx_hash: Annotated[str, typer.Argument(help="Of a payment that this wallet has sent, 0x...")],
    *,
    as_json: Json = False,
) -> None:
    """Send a payment again that the chain has lost: the same transaction, so it pays only once."""
    manifest = load_manifest(state_home())

    async def run() -> dict[str, Any]:
        async with open_node(manifest.node_http_url) as node:
            receipt = require_success(await resend_sent(node, state_home(), tx_hash))
        return {
            "txHash": to_hex(receipt.tx_hash),
            "blockNumber": receipt.block_number,
            "blockHash": to_hex(receipt.block_hash),
        }

    result = asyncio.run(run())
    say_result(result, f"in block {result['blockNumber']} now", as_json=as_json)


class _Payment:
    """One run of `wallet pay`."""

    def __init__(
        self,
        uri: str,
        payer: Wallet,
        relayer: Wallet | None,
        oracle: str | None,
        *,
        asks: bool,
        api_key: str | None = None,
    ) -> None:
        self.uri, self.payer, self.relayer, self.oracle = uri, payer, relayer, oracle
        self.asks, self.api_key = asks, api_key
        self.manifest = load_manifest(state_home())

    async def run(self) -> dict[str, Any]:
        async with open_node(self.manifest.node_http_url) as node:
            plan = await plan_payment(
                node, self.uri, self.payer.address, deployment=self.manifest.deployment
            )
            self._confirm(plan)
            payer = self._unlock(self.payer)
            keep = partial(keep_sent, state_home())
            if self.relayer is None:
                tx_hash = await broadcast(node, plan, payer, keep=keep)
            else:
                relayer = self._unlock(self.relayer)
                tx_hash = await broadcast_gasless(node, plan, payer, relayer, keep=keep)
            receipt = require_success(await node.receipt(tx_hash))
        amount = format_bill(plan.request.units)
        verdict = None
        if self.oracle is not None:
            async with open_oracle(self.oracle, api_key=self.api_key) as client:
                verdict = await client.validate(tx_hash, amount)
        return {
            "txHash": to_hex(tx_hash),
            "blockNumber": receipt.block_number,
            "blockHash": to_hex(receipt.block_hash),
            "from": format_address(plan.payer),
            "recipient": format_address(plan.request.recipient),
            "amount": amount,
            "gasless": self.relayer is not None,
            "verdict": verdict,
        }

    def _confirm(self, plan: Plan) -> None:
        if not self.asks:
            return
        relayer = None if self.relayer is None else self.relayer.address
        typer.echo(plan.describe(relayer=relayer), err=True)
        if not typer.confirm("Pay?", err=True):
            raise RejectedError("payment_declined", "nothing was sent")

    def _unlock(self, wallet: Wallet) -> LocalAccount:
        return unlock_wallet(wallet, ask_password(wallet.name))


def _describe(result: dict[str, Any]) -> str:
    lines = [
        f"paid {result['amount']} BILL to {result['recipient']}",
        f"transaction {result['txHash']} in block {result['blockNumber']}",
    ]
    verdict = result["verdict"]
    if verdict is not None:
        word = "valid" if verdict.get("valid") else f"not valid: {verdict.get('error')}"
        lines.append(f"the oracle says: {word}")
    return "\n".join(lines)
