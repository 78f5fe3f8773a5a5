"""`billcoin-devnet market`: a supplier offers, a dairy buys, what is delivered is burned."""

import asyncio
from typing import Annotated, Any

import typer

from contracts import milk_market
from contracts.abi import call_data
from contracts.followed import Contract
from contracts.signing import LocalAccount
from devnet import token_calls
from devnet.console import say_result
from devnet.dev_accounts import economy_accounts
from devnet.home import state_home
from devnet.manifest import Manifest, load_manifest
from devnet.node import Node, Receipt, open_node
from devnet.parts import actor, events_of, require_economy
from devnet.sensor import chain_time
from devnet.transactions import Message, address_of, require_success, send
from devnet.wallet_commands import Json
from ledger.contract_event import ContractEvent
from ledger.errors import CorruptError, RejectedError
from ledger.json_hex import to_hex
from ledger.keccak import keccak256
from ledger.payment_uri import format_address
from ledger.units import UINT256_MAX, Units, format_bill, parse_bill

_DAY_SECONDS = 86_400
_OFFER_WORDS = 8

market_app = typer.Typer(
    help="Dairies spend BILL on what suppliers offer; what is delivered is burned.",
    no_args_is_help=True,
)

SupplierWallet = Annotated[
    str | None, typer.Option("--wallet", help="The supplier's; by default the devnet's own.")
]
DairyWallet = Annotated[
    str | None, typer.Option("--wallet", help="The dairy's; by default the devnet's own.")
]
Purchase = Annotated[
    int, typer.Argument(min=1, max=UINT256_MAX, help="The purchase, as `buy` told.")
]
Quantity = Annotated[int, typer.Option(min=1, max=10**12, help="How many pieces.")]


@market_app.command()
def offer(
    description: Annotated[str, typer.Argument(help="What is offered; its hash is on the chain.")],
    *,
    price: Annotated[str, typer.Option(help="BILL a piece.")],
    quantity: Quantity = 1,
    days: Annotated[int, typer.Option(min=1, max=180, help="How long it can be bought.")] = 30,
    delivery_days: Annotated[int, typer.Option(min=1, max=180, help="To deliver in.")] = 14,
    wallet: SupplierWallet = None,
    as_json: Json = False,
) -> None:
    """List an offer, as an approved supplier."""
    units = parse_bill(price, param="price")
    scene = _Scene(wallet, economy_accounts().supplier)
    listed = asyncio.run(
        scene.offer(description, units, quantity, days * _DAY_SECONDS, delivery_days * _DAY_SECONDS)
    )
    words = f"offer {listed['offerId']}: {quantity} of {description} at {listed['price']} BILL"
    say_result(listed, words, as_json=as_json)


@market_app.command()
def buy(
    offer_id: Annotated[int, typer.Argument(min=1, max=UINT256_MAX, help="The offer.")],
    *,
    quantity: Quantity = 1,
    wallet: DairyWallet = None,
    as_json: Json = False,
) -> None:
    """Buy of an offer, as an approved dairy; the BILL waits in escrow."""
    scene = _Scene(wallet, economy_accounts().dairy)
    bought = asyncio.run(scene.buy(offer_id, quantity))
    words = f"purchase {bought['purchaseId']}: {bought['escrowed']} BILL wait in escrow"
    say_result(bought, words, as_json=as_json)


@market_app.command()
def deliver(
    purchase: Purchase,
    *,
    note: Annotated[str, typer.Option(help="What proves it; its hash is on the chain.")] = "",
    wallet: SupplierWallet = None,
    as_json: Json = False,
) -> None:
    """Report that a purchase was delivered, as its supplier; the dairy then has time to object."""
    scene = _Scene(wallet, economy_accounts().supplier)
    reported = asyncio.run(scene.deliver(purchase, note))
    say_result(reported, f"purchase {purchase}: delivery is reported", as_json=as_json)


@market_app.command()
def confirm(purchase: Purchase, *, wallet: DairyWallet = None, as_json: Json = False) -> None:
    """Confirm a delivery, as the purchase's dairy: its BILL is burned, the supplier settled."""
    scene = _Scene(wallet, economy_accounts().dairy)
    redeemed = asyncio.run(scene.confirm(purchase))
    words = f"purchase {purchase}: {redeemed['burned']} BILL are burned"
    say_result(redeemed, words, as_json=as_json)


class _Scene:
    """One step of one part."""

    def __init__(self, wallet: str | None, own: LocalAccount) -> None:
        self.manifest: Manifest = load_manifest(state_home())
        self.market = require_economy(self.manifest).milk_market
        self.account = actor(wallet, own, self.manifest.deployment.chain_id)

    async def offer(
        self, description: str, units: Units, quantity: int, seconds: int, delivery_seconds: int
    ) -> dict[str, Any]:
        hashed = keccak256(description.encode())
        async with open_node(self.manifest.node_http_url) as node:
            deadline = await chain_time(node) + seconds
            event, told = await self._call(
                node,
                "OfferListed",
                "list_offer",
                *(units, quantity, hashed, deadline, delivery_seconds),
            )
        listed = {"offerId": event.arguments["offer_id"], "price": format_bill(units)}
        return listed | {"quantity": str(quantity), "descriptionHash": to_hex(hashed)} | told

    async def buy(self, offer_id: int, quantity: int) -> dict[str, Any]:
        async with open_node(self.manifest.node_http_url) as node:
            await self._allow(node, await self._cost(node, offer_id, quantity))
            event, told = await self._call(node, "Purchased", "buy", offer_id, quantity)
        said = event.arguments
        return {
            "purchaseId": said["purchase_id"],
            "offerId": str(offer_id),
            "escrowed": format_bill(Units(int(said["units"]))),
            **told,
        }

    async def deliver(self, purchase: int, note: str) -> dict[str, Any]:
        hashed = keccak256(note.encode())
        async with open_node(self.manifest.node_http_url) as node:
            _, told = await self._call(
                node, "DeliveryReported", "report_delivery", purchase, hashed
            )
        return {"purchaseId": str(purchase), "proofHash": to_hex(hashed), **told}

    async def confirm(self, purchase: int) -> dict[str, Any]:
        async with open_node(self.manifest.node_http_url) as node:
            event, told = await self._call(node, "Redeemed", "confirm_delivery", purchase)
        said = event.arguments
        return {
            "purchaseId": str(purchase),
            "burned": format_bill(Units(int(said["units"]))),
            "settlementUnits": said["settlement"],
            **told,
        }

    async def _cost(self, node: Node, offer_id: int, quantity: int) -> int:
        data = call_data(milk_market.artifact(), "offers", offer_id)
        answer = await node.read_contract(self.market, data)
        words = [int.from_bytes(answer[32 * at : 32 * at + 32]) for at in range(_OFFER_WORDS)]
        supplier, _, price, *_ = words
        if not supplier:
            raise RejectedError("offer_not_found", f"there is no offer {offer_id}", param="offer")
        return price * quantity

    async def _allow(self, node: Node, units: int) -> None:
        """Approve what the purchase takes, where the dairy has not approved as much already."""
        token, owner = self.manifest.deployment.token, address_of(self.account)
        if await token_calls.allowance(node, token, owner, self.market) < units:
            await self._send(node, Message(token, token_calls.approve(self.market, units)))

    async def _send(self, node: Node, message: Message) -> Receipt:
        """Send it and wait for its block."""
        chain_id = self.manifest.deployment.chain_id
        tx_hash = await send(node, self.account, message, chain_id=chain_id)
        return require_success(await node.receipt(tx_hash))

    async def _call(
        self, node: Node, event_name: str, function: str, *arguments: Any
    ) -> tuple[ContractEvent, dict[str, Any]]:
        """Call the market and find what it said; the node's refusal has the contract's words."""
        message = Message(self.market, call_data(milk_market.artifact(), function, *arguments))
        receipt = await self._send(node, message)
        told = await events_of(node, receipt.tx_hash, Contract.MILK_MARKET, self.market)
        if event_name not in told:
            raise CorruptError(f"{to_hex(receipt.tx_hash)} has no event {event_name}")
        return told[event_name], {
            "by": format_address(address_of(self.account)),
            "txHash": to_hex(receipt.tx_hash),
            "blockNumber": receipt.block_number,
        }
