# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Order slots
@custom:contract-name order_slots
@license MIT
@notice What became of each payer's nonces: which standing order holds one, what is collected, and
        whether the payer cancelled.
@dev A module.
"""

from . import standing_order

uses: standing_order


# The order that was first collected under the nonce, and the next period that may be collected.
struct Slot:
    order_hash: bytes32
    next_period: uint256
    cancelled: bool


event StandingOrderCancelled:
    payer: indexed(address)
    nonce: indexed(uint256)


slots: public(HashMap[address, HashMap[uint256, Slot]])


@external
def cancel(nonce: uint256):
    """
    @notice Ends every standing order that the caller signed under this nonce, collected before or not.
    @param nonce The nonce.
    """
    self._cancel(msg.sender, nonce)


@external
def cancel_by_signature(payer: address, nonce: uint256, signature: standing_order.Signature):
    """
    @notice As `cancel`, for a payer without gas; anyone may broadcast.
    @param payer Who signed the standing order and this cancellation.
    @param nonce The nonce.
    @param signature Over `CancelStandingOrder(address payer,uint256 nonce)`.
    """
    struct_hash: bytes32 = keccak256(abi_encode(standing_order.CANCEL_TYPEHASH, payer, nonce))
    assert standing_order._is_signed(struct_hash, payer, signature), "order_slots: invalid signature"
    self._cancel(payer, nonce)


@internal
def _cancel(payer: address, nonce: uint256):
    assert not self.slots[payer][nonce].cancelled, "order_slots: cancelled already"
    self.slots[payer][nonce].cancelled = True
    log StandingOrderCancelled(payer=payer, nonce=nonce)


@internal
def _take(payer: address, nonce: uint256, order_hash: bytes32, period: uint256):
    self.slots[payer][nonce].order_hash = order_hash
    self.slots[payer][nonce].next_period = period + 1


@internal
@view
def _refusal(payer: address, nonce: uint256, order_hash: bytes32) -> String[32]:
    slot: Slot = self.slots[payer][nonce]
    if slot.cancelled:
        return "cancelled"
    # Two orders under one nonce would collect twice a period: the first to be collected holds it.
    if slot.order_hash != empty(bytes32) and slot.order_hash != order_hash:
        return "nonce is used"
    return ""
