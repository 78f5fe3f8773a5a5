"""`billcoin-devnet price`: the reporters say what milk costs."""

import asyncio
from typing import Annotated, Any

import typer

from contracts import milk_price_feed
from contracts.abi import call_data
from contracts.followed import Contract
from contracts.milk_price_feed import Price, format_price, parse_price
from contracts.signing import LocalAccount
from devnet.console import say_result
from devnet.dev_accounts import REPORTER_INDEXES, economy_accounts, require_throwaway_chain
from devnet.home import state_home
from devnet.manifest import Manifest, load_manifest
from devnet.node import Node, open_node
from devnet.parts import events_of, require_economy
from devnet.transactions import Message, require_success, send
from devnet.wallet_commands import Json
from ledger.contract_event import ContractEvent
from ledger.json_hex import to_hex

# The report that closes a round does more than an estimate before it can see.
_REPORT_GAS = 400_000

price_app = typer.Typer(help="The all-milk price, as its reporters tell it.", no_args_is_help=True)


@price_app.command()
def report(
    price: Annotated[str, typer.Argument(help="Ringgit per litre, e.g. 7.20.")],
    *,
    reporters: Annotated[
        int, typer.Option(min=1, max=len(REPORTER_INDEXES), help="How many of them report.")
    ] = len(REPORTER_INDEXES),
    as_json: Json = False,
) -> None:
    """Let the devnet's price reporters report a price.

    When all have reported, the round closes and the price is published at once. Of fewer, three
    make a price when the round's window has passed and the next report comes.
    """
    manifest = load_manifest(state_home())
    require_throwaway_chain(manifest.deployment.chain_id)
    units = parse_price(price, param="price")
    accounts = economy_accounts().reporters[:reporters]
    result = asyncio.run(_report(manifest, units, accounts))
    say_result(result, _words(result), as_json=as_json)


async def _report(
    manifest: Manifest, price: Price, accounts: tuple[LocalAccount, ...]
) -> dict[str, Any]:
    feed = require_economy(manifest).milk_price_feed
    async with open_node(manifest.node_http_url) as node:
        hashes = await asyncio.gather(
            *(_send(node, account, feed, price, manifest) for account in accounts)
        )
        for tx_hash in hashes:
            require_success(await node.receipt(tx_hash))
        told: dict[str, ContractEvent] = {}
        for tx_hash in hashes:
            told |= await events_of(node, tx_hash, Contract.MILK_PRICE_FEED, feed)
    published, held = told.get("AnswerUpdated"), told.get("PriceHeld")
    return {
        "reported": format_price(price),
        "reports": len(accounts),
        "published": None
        if published is None
        else format_price(int(published.arguments["current"])),
        "round": None if published is None else published.arguments["roundId"],
        "held": None if held is None else format_price(int(held.arguments["price"])),
        "txHashes": [to_hex(tx_hash) for tx_hash in hashes],
    }


async def _send(
    node: Node, account: LocalAccount, feed: bytes, price: Price, manifest: Manifest
) -> bytes:
    message = Message(feed, call_data(milk_price_feed.artifact(), "report", price))
    chain_id = manifest.deployment.chain_id
    return await send(node, account, message, chain_id=chain_id, gas_limit=_REPORT_GAS)


def _words(result: dict[str, Any]) -> str:
    said = f"{result['reports']} reporters said RM {result['reported']} a litre"
    if result["published"] is not None:
        return f"{said}; published: RM {result['published']}, round {result['round']}"
    if result["held"] is not None:
        return f"{said}; RM {result['held']} is too far from the last price and is held"
    return f"{said}; the round waits for more"
