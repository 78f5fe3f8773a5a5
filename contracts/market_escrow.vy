# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Market escrow
@custom:contract-name market_escrow
@license MIT
@notice Holds a purchase's BILL until it is certain whether it was delivered: then it is burned, the
        supplier has a redemption receipt and is settled with out of the pool, or the dairy has it back.
@dev A module. Silence costs the silent side. A supplier who does not report delivery in time lets the
     purchase be refunded; a dairy that does not object to a reported delivery in time lets it be
     redeemed; a regulator who does not judge in time lets it be refunded, because a refund can be
     made good and burning cannot. So no escrow depends on anybody being awake, and nobody but its
     dairy ever gets BILL out of it.
"""

from ethereum.ercs import IERC20
from . import payout_pool
from . import regulation

uses: payout_pool
uses: regulation


interface IBurnable:
    def burn(amount: uint256): nonpayable


struct Purchase:
    offer_id: uint256
    dairy: address
    supplier: address
    units: uint256
    settlement_per_litre: uint256
    state: uint8
    deadline: uint256
    redeemed: uint256


event Purchased:
    purchase_id: indexed(uint256)
    offer_id: indexed(uint256)
    dairy: indexed(address)
    supplier: address
    quantity: uint256
    units: uint256
    settlement_per_litre: uint256
    deadline: uint256


event DeliveryReported:
    purchase_id: indexed(uint256)
    proof_hash: bytes32
    deadline: uint256


event Disputed:
    purchase_id: indexed(uint256)
    reason_hash: bytes32
    deadline: uint256


# The redemption receipt: so many litres were burned for what this supplier delivered to this dairy.
event Redeemed:
    purchase_id: indexed(uint256)
    supplier: indexed(address)
    dairy: indexed(address)
    units: uint256
    settlement: uint256


event Refunded:
    purchase_id: indexed(uint256)
    dairy: indexed(address)
    units: uint256


# States of a purchase; 0 is one that does not exist.
ORDERED: public(constant(uint8)) = 1
DELIVERED: public(constant(uint8)) = 2
DISPUTED: public(constant(uint8)) = 3
CLOSED: public(constant(uint8)) = 4

_MAX_SECONDS: constant(uint256) = 180 * 86_400

BILL: public(immutable(address))
REVIEW_SECONDS: public(immutable(uint256))
JUDGEMENT_SECONDS: public(immutable(uint256))

purchase_count: public(uint256)
purchases: public(HashMap[uint256, Purchase])
escrowed_total: public(uint256)
redeemed_total: public(uint256)


@deploy
def __init__(bill: address, review_seconds: uint256, judgement_seconds: uint256):
    """
    @notice Fixes the token and the periods for good, so that no purchase's rules change under it.
    @param bill BILL's contract.
    @param review_seconds How long a dairy may object to a reported delivery; up to 180 days.
    @param judgement_seconds How long the regulator may take to judge a dispute; up to 180 days.
    """
    assert bill.is_contract, "market_escrow: bill is not a contract"
    for seconds: uint256 in [review_seconds, judgement_seconds]:
        assert seconds > 0 and seconds <= _MAX_SECONDS, "market_escrow: period is out of range"
    BILL = bill
    REVIEW_SECONDS = review_seconds
    JUDGEMENT_SECONDS = judgement_seconds


@external
@nonreentrant
def confirm_delivery(purchase_id: uint256):
    """
    @notice Says that everything was delivered, which redeems the purchase; only its dairy may call, also
            to end a dispute.
    @param purchase_id The purchase.
    """
    purchase: Purchase = self._open(purchase_id)
    assert msg.sender == purchase.dairy, "market_escrow: caller is not the dairy"
    self._close_purchase(purchase_id, purchase, purchase.units)


@external
@nonreentrant
def decline(purchase_id: uint256):
    """
    @notice Gives everything back; only the purchase's supplier may call, also to end a dispute.
    @param purchase_id The purchase.
    """
    purchase: Purchase = self._open(purchase_id)
    assert msg.sender == purchase.supplier, "market_escrow: caller is not the supplier"
    self._close_purchase(purchase_id, purchase, 0)


@external
def report_delivery(purchase_id: uint256, proof_hash: bytes32):
    """
    @notice Says that everything was delivered, in time, and starts the dairy's time to object; only the
            purchase's supplier may call.
    @param purchase_id The purchase.
    @param proof_hash keccak256 of what proves the delivery, such as a signed note.
    """
    purchase: Purchase = self._open(purchase_id)
    assert msg.sender == purchase.supplier, "market_escrow: caller is not the supplier"
    assert purchase.state == ORDERED, "market_escrow: delivery is reported already"
    assert block.timestamp <= purchase.deadline, "market_escrow: deadline has passed"
    deadline: uint256 = block.timestamp + REVIEW_SECONDS
    self.purchases[purchase_id].state = DELIVERED
    self.purchases[purchase_id].deadline = deadline
    log DeliveryReported(purchase_id=purchase_id, proof_hash=proof_hash, deadline=deadline)


@external
def dispute(purchase_id: uint256, reason_hash: bytes32):
    """
    @notice Objects to a reported delivery, in time, and calls the regulator; only the dairy may call.
    @param purchase_id The purchase.
    @param reason_hash keccak256 of what the dairy has to say.
    """
    purchase: Purchase = self._open(purchase_id)
    assert msg.sender == purchase.dairy, "market_escrow: caller is not the dairy"
    assert purchase.state == DELIVERED, "market_escrow: no delivery to object to"
    assert block.timestamp <= purchase.deadline, "market_escrow: deadline has passed"
    deadline: uint256 = block.timestamp + JUDGEMENT_SECONDS
    self.purchases[purchase_id].state = DISPUTED
    self.purchases[purchase_id].deadline = deadline
    log Disputed(purchase_id=purchase_id, reason_hash=reason_hash, deadline=deadline)


@external
@nonreentrant
def judge(purchase_id: uint256, redeemed_units: uint256):
    """
    @notice Splits a disputed purchase: so much is redeemed, the rest refunded; only the regulator may
            call, in time.
    @param purchase_id The purchase.
    @param redeemed_units BILL in base units to redeem, up to all of it.
    """
    regulation._check_regulator()
    purchase: Purchase = self._open(purchase_id)
    assert purchase.state == DISPUTED, "market_escrow: nothing to judge"
    assert block.timestamp <= purchase.deadline, "market_escrow: deadline has passed"
    assert redeemed_units <= purchase.units, "market_escrow: more than was paid"
    self._close_purchase(purchase_id, purchase, redeemed_units)


@external
@nonreentrant
def close_overdue(purchase_id: uint256):
    """
    @notice Draws the consequence of a deadline that passed: a reported delivery is redeemed, everything
            else refunded; anyone may call.
    @param purchase_id The purchase.
    """
    purchase: Purchase = self._open(purchase_id)
    assert block.timestamp > purchase.deadline, "market_escrow: deadline has not passed"
    redeemed: uint256 = 0
    if purchase.state == DELIVERED:
        redeemed = purchase.units
    self._close_purchase(purchase_id, purchase, redeemed)


@internal
def _open_purchase(purchase: Purchase, quantity: uint256) -> uint256:
    self.purchase_count += 1
    purchase_id: uint256 = self.purchase_count
    self.purchases[purchase_id] = purchase
    self.escrowed_total += purchase.units
    log Purchased(
        purchase_id=purchase_id,
        offer_id=purchase.offer_id,
        dairy=purchase.dairy,
        supplier=purchase.supplier,
        quantity=quantity,
        units=purchase.units,
        settlement_per_litre=purchase.settlement_per_litre,
        deadline=purchase.deadline,
    )
    assert extcall IERC20(BILL).transferFrom(purchase.dairy, self, purchase.units)
    return purchase_id


@internal
@view
def _open(purchase_id: uint256) -> Purchase:
    purchase: Purchase = self.purchases[purchase_id]
    assert purchase.state != 0, "market_escrow: no such purchase"
    assert purchase.state != CLOSED, "market_escrow: purchase is closed"
    return purchase


@internal
def _close_purchase(purchase_id: uint256, purchase: Purchase, redeemed: uint256):
    refund: uint256 = purchase.units - redeemed
    self.purchases[purchase_id].state = CLOSED
    self.purchases[purchase_id].redeemed = redeemed
    self.escrowed_total -= purchase.units
    self.redeemed_total += redeemed
    if refund > 0:
        log Refunded(purchase_id=purchase_id, dairy=purchase.dairy, units=refund)
        assert extcall IERC20(BILL).transfer(purchase.dairy, refund)
    if redeemed > 0:
        settlement: uint256 = payout_pool._amount(redeemed, purchase.settlement_per_litre)
        log Redeemed(
            purchase_id=purchase_id,
            supplier=purchase.supplier,
            dairy=purchase.dairy,
            units=redeemed,
            settlement=settlement,
        )
        extcall IBurnable(BILL).burn(redeemed)
        payout_pool._pay_or_owe(purchase.supplier, convert(purchase_id, bytes32), settlement)
