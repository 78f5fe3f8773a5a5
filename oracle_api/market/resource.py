"""Offers and purchases as clients see them."""

from enum import StrEnum
from typing import Any

from contracts.milk_market import SupplierKind
from ledger.json_hex import to_hex
from ledger.market import fold_purchase
from ledger.order import Depths
from ledger.payment_uri import format_address
from ledger.store.market import Offer, StoredPurchase
from ledger.units import Units, format_bill
from oracle_api.times import rfc3339_seconds


class OfferStatus(StrEnum):
    """Whether an offer can be bought, by the chain's clock."""

    OPEN = "open"
    SOLD_OUT = "sold_out"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


def write_offer(offer: Offer, depths: Depths) -> dict[str, Any]:
    """An offer with what is left of it; prices in BILL a piece."""
    said = offer.arguments
    left = max(int(said["quantity"]) - offer.bought, 0)
    return {
        "id": said["offer_id"],
        "object": "offer",
        "status": str(_status(offer, left, depths.tip_timestamp)),
        "supplier": _address(said["supplier"]),
        "kind": SupplierKind(int(said["kind"])).name.lower(),
        "price": format_bill(Units(int(said["price"]))),
        "quantity": said["quantity"],
        "left": str(left),
        "descriptionHash": said["description_hash"],
        "deadline": rfc3339_seconds(int(said["deadline"])),
        "deliverySeconds": int(said["delivery_seconds"]),
        "finality": str(depths.finality(offer.block_number)),
        "txHash": to_hex(offer.tx_hash),
    }


def write_purchase(stored: StoredPurchase, depths: Depths) -> dict[str, Any]:
    """A purchase with its status, what was burned for it, and the supplier's settlement."""
    said = stored.arguments
    found = fold_purchase(said, stored.later)
    return {
        "id": said["purchase_id"],
        "object": "purchase",
        "status": str(found.status),
        "isOverdue": found.is_overdue(depths.tip_timestamp),
        "offerId": said["offer_id"],
        "dairy": _address(said["dairy"]),
        "supplier": _address(said["supplier"]),
        "quantity": said["quantity"],
        "bill": format_bill(found.units),
        "redeemed": format_bill(found.redeemed),
        "refunded": format_bill(found.refunded),
        "settlementUnits": str(found.settlement),
        "deadline": rfc3339_seconds(found.deadline),
        "boughtAt": rfc3339_seconds(stored.bought_at),
        "finality": str(depths.finality(stored.block_number)),
        "txHash": to_hex(stored.tx_hash),
    }


def _status(offer: Offer, left: int, now: int) -> OfferStatus:
    if offer.is_withdrawn:
        return OfferStatus.WITHDRAWN
    if not left:
        return OfferStatus.SOLD_OUT
    is_over = now > int(offer.arguments["deadline"])
    return OfferStatus.EXPIRED if is_over else OfferStatus.OPEN


def _address(text: str) -> str:
    return format_address(bytes.fromhex(text[2:]))
