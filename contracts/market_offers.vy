# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Market offers
@custom:contract-name market_offers
@license MIT
@notice What approved suppliers offer for BILL. An offer never changes, so that a dairy buys what it
        saw; its supplier withdraws it and lists another.
@dev A module. The settlement rate is part of the offer: a supplier names its price in BILL knowing
     what a litre redeemed will bring it, and a later rate holds for later offers.
"""

from . import payout_pool
from . import supplier_register

uses: payout_pool
uses: supplier_register


struct Offer:
    supplier: address
    kind: uint8
    price: uint256
    quantity: uint256
    description_hash: bytes32
    deadline: uint256
    delivery_seconds: uint256
    settlement_per_litre: uint256


event OfferListed:
    offer_id: indexed(uint256)
    supplier: indexed(address)
    kind: uint8
    price: uint256
    quantity: uint256
    description_hash: bytes32
    deadline: uint256
    delivery_seconds: uint256
    settlement_per_litre: uint256


event OfferWithdrawn:
    offer_id: indexed(uint256)


# Beyond these somebody slipped a decimal point; they also keep price times quantity in 256 bits.
_MAX_PRICE: constant(uint256) = 10**30
_MAX_QUANTITY: constant(uint256) = 10**12
_MAX_DELIVERY_SECONDS: constant(uint256) = 180 * 86_400

offer_count: public(uint256)
offers: public(HashMap[uint256, Offer])


@external
def list_offer(
    price: uint256, quantity: uint256, description_hash: bytes32, deadline: uint256, delivery_seconds: uint256
) -> uint256:
    """
    @notice Lists an offer; only an approved supplier may call.
    @param price BILL in base units for one item.
    @param quantity How many items.
    @param description_hash keccak256 of the description that the supplier publishes.
    @param deadline Unix time of the last block in which it can be bought.
    @param delivery_seconds How long after a purchase the supplier may take to deliver; up to 180 days.
    @return uint256 The offer's id, from 1 on.
    """
    kind: uint8 = supplier_register.supplier_kind[msg.sender]
    assert kind != 0, "market_offers: caller is not an approved supplier"
    assert price > 0 and price <= _MAX_PRICE, "market_offers: price is out of range"
    assert quantity > 0 and quantity <= _MAX_QUANTITY, "market_offers: quantity is out of range"
    assert deadline >= block.timestamp, "market_offers: deadline has passed"
    assert delivery_seconds > 0 and delivery_seconds <= _MAX_DELIVERY_SECONDS, "market_offers: delivery time is out of range"
    self.offer_count += 1
    offer_id: uint256 = self.offer_count
    self.offers[offer_id] = Offer(
        supplier=msg.sender,
        kind=kind,
        price=price,
        quantity=quantity,
        description_hash=description_hash,
        deadline=deadline,
        delivery_seconds=delivery_seconds,
        settlement_per_litre=payout_pool.payout_per_litre,
    )
    log OfferListed(
        offer_id=offer_id,
        supplier=msg.sender,
        kind=kind,
        price=price,
        quantity=quantity,
        description_hash=description_hash,
        deadline=deadline,
        delivery_seconds=delivery_seconds,
        settlement_per_litre=payout_pool.payout_per_litre,
    )
    return offer_id


@external
def withdraw_offer(offer_id: uint256):
    """
    @notice Takes what is left of an offer off the market; only its supplier may call.
    @param offer_id The offer.
    """
    assert self.offers[offer_id].supplier == msg.sender, "market_offers: caller is not the supplier"
    self.offers[offer_id].quantity = 0
    log OfferWithdrawn(offer_id=offer_id)


@internal
def _take(offer_id: uint256, quantity: uint256) -> Offer:
    offer: Offer = self.offers[offer_id]
    assert offer.supplier != empty(address), "market_offers: no such offer"
    assert block.timestamp <= offer.deadline, "market_offers: offer has expired"
    # A supplier who was revoked, or approved anew for something else, sells nothing of the old kind.
    assert supplier_register.supplier_kind[offer.supplier] == offer.kind, "market_offers: supplier is not approved"
    assert quantity > 0, "market_offers: quantity is zero"
    assert quantity <= offer.quantity, "market_offers: not so many are left"
    self.offers[offer_id].quantity = offer.quantity - quantity
    return offer
