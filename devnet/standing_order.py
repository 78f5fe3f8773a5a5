"""A standing order as a payer's wallet makes it: its terms, the signature, and what is sent."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import standing_orders
from contracts.abi import call_data
from contracts.milk_price_feed import format_price, parse_price
from contracts.signing import LocalAccount, encode_typed_data
from contracts.standing_orders import (
    PriceMode,
    StandingOrder,
    most_units_a_period,
    order_argument,
    order_hash,
    standing_order_typed_data,
)
from devnet import token_calls
from devnet.home import make_private, write_private
from devnet.node import Node
from devnet.transactions import Message, address_of, require_success, send
from ledger.errors import RejectedError
from ledger.json_hex import read_data, to_hex
from ledger.payment_uri import format_address, parse_address
from ledger.units import UINT256_MAX, format_bill, parse_bill

_FOLDER = "standing-orders"
_MODES = {PriceMode.FIXED: "fixed", PriceMode.ALL_MILK: "all_milk"}
_SIGNATURE_BYTES = 65


@dataclass(frozen=True)
class SignedOrder:
    """Terms with their payer's signature, 65 bytes: r, s, v."""

    terms: StandingOrder
    signature: bytes

    @property
    def id(self) -> str:
        """What the oracle calls it."""
        return f"sto_{order_hash(self.terms).hex()}"

    def body(self) -> dict[str, Any]:
        """What `POST /api/v1/standing-orders` takes."""
        terms = self.terms
        return {
            "payer": format_address(terms.payer),
            "merchant": format_address(terms.merchant),
            "intoVaults": terms.into_vaults,
            "litres": format_bill(terms.litres),
            "periodSeconds": terms.period_seconds,
            "priceMode": _MODES[terms.price_mode],
            "fixedPrice": format_price(terms.fixed_price),
            "maxPrice": format_price(terms.max_price),
            "rate": format_price(terms.rate),
            "startsAt": terms.starts_at_seconds,
            "endsAt": terms.ends_at_seconds,
            "nonce": str(terms.nonce),
            "signature": to_hex(self.signature),
        }

    def collect_data(self) -> bytes:
        """The data of the transaction that collects it, which anybody may send."""
        signature = self.signature
        parts = (signature[64], signature[:32], signature[32:64])
        return call_data(
            standing_orders.artifact(), "collect", [(order_argument(self.terms), parts)]
        )


def sign_order(
    terms: StandingOrder, payer: LocalAccount, *, chain_id: int, contract: bytes
) -> SignedOrder:
    """Sign the terms (EIP-712), for this contract on this chain only."""
    message = standing_order_typed_data(terms, chain_id=chain_id, contract=contract)
    signed = payer.sign_message(encode_typed_data(full_message=message))
    return SignedOrder(terms, bytes(signed.signature))


async def add_allowance(
    node: Node, payer: LocalAccount, terms: StandingOrder, *, chain_id: int, token: bytes, to: bytes
) -> bytes:
    """Let the contract take what the order can come to beside what it may take already.

    Returns:
        The hash of the transaction, which is in a block.
    """
    allowed = await token_calls.allowance(node, token, address_of(payer), to)
    seconds = terms.ends_at_seconds - terms.starts_at_seconds
    periods = -(-seconds // terms.period_seconds)
    units = allowed + most_units_a_period(terms) * periods
    message = Message(token, token_calls.approve(to, min(units, UINT256_MAX)))
    tx_hash = await send(node, payer, message, chain_id=chain_id)
    require_success(await node.receipt(tx_hash))
    return tx_hash


def save_order(home: Path, order: SignedOrder) -> Path:
    """Keep what was signed: whoever has it may collect it, so only its owner can read it."""
    path = make_private(home / _FOLDER) / f"{order.id}.json"
    write_private(path, json.dumps(order.body(), indent=2) + "\n")
    return path


def load_order(home: Path, order_id: str) -> SignedOrder:
    """A standing order that was signed here.

    Raises:
        RejectedError: `standing_order_not_found`.
    """
    known = {path.stem: path for path in (home / _FOLDER).glob("sto_*.json")}
    if order_id not in known:
        raise RejectedError(
            "standing_order_not_found", f"{order_id[:80]} was not signed here", param="id"
        )
    body: dict[str, Any] = json.loads(known[order_id].read_text())
    modes = {text: mode for mode, text in _MODES.items()}
    terms = StandingOrder(
        payer=parse_address(body["payer"], param="payer"),
        merchant=parse_address(body["merchant"], param="merchant"),
        into_vaults=body["intoVaults"],
        litres=parse_bill(body["litres"], param="litres"),
        period_seconds=body["periodSeconds"],
        price_mode=modes[body["priceMode"]],
        fixed_price=parse_price(body["fixedPrice"], param="fixedPrice"),
        max_price=parse_price(body["maxPrice"], param="maxPrice"),
        rate=parse_price(body["rate"], param="rate"),
        starts_at_seconds=body["startsAt"],
        ends_at_seconds=body["endsAt"],
        nonce=int(body["nonce"]),
    )
    return SignedOrder(
        terms, read_data(body["signature"], field="signature", length=_SIGNATURE_BYTES)
    )
