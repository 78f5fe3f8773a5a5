"""`billcoin-devnet wallet send`: hand BILL on to an address, without a payment request."""

import asyncio
from functools import partial
from typing import Annotated, Any

import typer

from devnet.console import say_result
from devnet.home import state_home
from devnet.keystore import DEFAULT_WALLET, Wallet, find_wallet, unlock_wallet
from devnet.manifest import load_manifest
from devnet.node import open_node
from devnet.payment import broadcast, plan_payment
from devnet.sent import keep_sent
from devnet.transactions import require_success
from devnet.wallet_commands import Json, Name, ask_password
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.payment_uri import TransferRequest, format_address, format_payment_uri, parse_address
from ledger.units import Units, format_bill, parse_bill


def send(
    *,
    to: Annotated[str, typer.Option(help="Who gets it: 0x..., or the name of a wallet here.")],
    amount: Annotated[str, typer.Option(help="BILL.")],
    name: Name = DEFAULT_WALLET,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Send BILL to somebody: check, say what will happen, ask, sign, broadcast, wait."""
    home = state_home()
    payer = find_wallet(home, name)
    recipient = (
        parse_address(to, param="to") if to.startswith("0x") else find_wallet(home, to).address
    )
    units = parse_bill(amount, param="amount")
    if units == 0:
        raise RejectedError("amount_invalid", "the amount is zero", param="amount")
    result = asyncio.run(_send(payer, recipient, units, asks=not yes))
    say_result(
        result,
        f"sent {result['amount']} BILL to {result['recipient']}\n"
        f"transaction {result['txHash']} in block {result['blockNumber']}",
        as_json=as_json,
    )


async def _send(payer: Wallet, recipient: bytes, units: Units, *, asks: bool) -> dict[str, Any]:
    manifest = load_manifest(state_home())
    deployment = manifest.deployment
    request = TransferRequest(deployment.token, deployment.chain_id, recipient, units)
    async with open_node(manifest.node_http_url) as node:
        plan = await plan_payment(
            node, format_payment_uri(request), payer.address, deployment=deployment
        )
        if asks:
            typer.echo(plan.describe(relayer=None), err=True)
            if not typer.confirm("Send?", err=True):
                raise RejectedError("payment_declined", "nothing was sent")
        account = unlock_wallet(payer, ask_password(payer.name))
        tx_hash = await broadcast(node, plan, account, keep=partial(keep_sent, state_home()))
        receipt = require_success(await node.receipt(tx_hash))
    return {
        "txHash": to_hex(tx_hash),
        "blockNumber": receipt.block_number,
        "from": format_address(payer.address),
        "recipient": format_address(recipient),
        "amount": format_bill(units),
    }
