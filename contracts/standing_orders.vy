# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Standing orders
@custom:contract-name standing_orders
@license MIT
@notice Collects what a payer signed a standing order for: once a period, at a fixed or at the all-milk
        price, never above the signed maximum and never at a stale price. Anyone may collect; the BILL
        goes from the payer, on its allowance, to the merchant's treasury or to the merchant's own
        vault of that period's order, and nowhere else.
@dev A list of collections never reverts because of one of them: what is not due or cannot be paid is
     skipped, told in an event, and can be tried again within its period. A period that passes
     uncollected is forgiven: nobody finds several periods taken at once.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.utils import eip712_domain_separator
from . import order_slots
from . import price_source
from . import standing_order
from . import timelock

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: timelock[ownable := ownable]
initializes: price_source
initializes: eip712_domain_separator
initializes: standing_order[eip712_domain_separator := eip712_domain_separator]
initializes: order_slots[standing_order := standing_order]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    ownable_2step.renounce_ownership,
    timelock.__interface__,
    price_source.__interface__,
    eip712_domain_separator.eip712Domain,
    standing_order.__interface__,
    order_slots.__interface__,
)


interface IOrderVaultFactory:
    def vault_address(treasury: address, order_key: bytes32) -> address: view


struct Collection:
    order: standing_order.StandingOrder
    signature: standing_order.Signature


struct Permit:
    amount: uint256
    deadline: uint256
    v: uint8
    r: bytes32
    s: bytes32


struct Assessment:
    order_hash: bytes32
    period: uint256
    price: uint256
    units: uint256
    refusal: String[32]


event Collected:
    order_hash: indexed(bytes32)
    payer: indexed(address)
    merchant: indexed(address)
    period: uint256
    price: uint256
    units: uint256
    to: address


# Told only of orders that their payer signed: nobody can put words into another's history.
event CollectionSkipped:
    order_hash: indexed(bytes32)
    payer: indexed(address)
    merchant: indexed(address)
    period: uint256
    reason: String[32]


event CollectionRefused:
    order_hash: indexed(bytes32)
    reason: String[32]


MAX_COLLECTIONS: public(constant(uint256)) = 32

_NOT_SIGNED: constant(String[32]) = "invalid signature"
_NO_SENSE: constant(String[32]) = "invalid order"

BILL: public(immutable(address))
ORDER_VAULT_FACTORY: public(immutable(address))


@deploy
def __init__(
    bill: address, order_vault_factory: address, delay_seconds: uint256, feed: address, max_price_age_seconds: uint256
):
    """
    @notice Makes the deployer owner, whose only power is to announce another price feed.
    @param bill BILL's contract.
    @param order_vault_factory Where the vaults of collected orders are.
    @param delay_seconds How long a change of feed is announced before it can be made.
    @param feed The all-milk price: any Chainlink feed (AggregatorV3Interface) with 8 decimals.
    @param max_price_age_seconds How old its price may be.
    """
    assert bill.is_contract, "standing_orders: bill is not a contract"
    assert order_vault_factory.is_contract, "standing_orders: factory is not a contract"
    ownable.__init__()
    ownable_2step.__init__()
    timelock.__init__(delay_seconds)
    price_source.__init__(feed, max_price_age_seconds)
    eip712_domain_separator.__init__("BillCoin Standing Orders", "1")
    BILL = bill
    ORDER_VAULT_FACTORY = order_vault_factory


@external
@nonreentrant
def collect(collections: DynArray[Collection, MAX_COLLECTIONS]) -> uint256:
    """
    @notice Collects what is due of each standing order and skips the rest; anyone may call.
    @param collections Orders with their payers' signatures.
    @return uint256 How many were collected.
    """
    collected: uint256 = 0
    for collection: Collection in collections:
        if self._collect(collection):
            collected += 1
    return collected


@external
@nonreentrant
def permit_and_collect(collection: Collection, permit: Permit) -> bool:
    """
    @notice Uses the payer's permit (EIP-2612) for this contract, then collects as `collect` does.
    @dev A permit that somebody else broadcast first is in force already, so its failure is no refusal.
    @param collection An order with its payer's signature.
    @param permit The allowance that the payer signed for this contract.
    @return bool Whether it was collected.
    """
    success: bool = raw_call(
        BILL,
        abi_encode(
            collection.order.payer,
            self,
            permit,
            method_id=method_id("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"),
        ),
        revert_on_failure=False,
    )
    return self._collect(collection)


@external
@view
def assess(collection: Collection) -> Assessment:
    """
    @notice What `collect` would do now.
    @param collection An order with its payer's signature.
    @return Assessment Period, price and units; and why it would not be collected, empty if it would.
    """
    return self._assess(collection)


@external
@view
def collection_address(order: standing_order.StandingOrder, period: uint256) -> address:
    """
    @notice Where a period's BILL goes: the merchant's treasury, or its vault for that period's order.
    @param order The standing order.
    @param period From 0 on.
    @return address The treasury or the vault.
    """
    return self._destination(order, standing_order._hash(order), period)


@external
@view
def order_hash(order: standing_order.StandingOrder) -> bytes32:
    """
    @notice What a standing order is called in events.
    @param order The standing order.
    @return bytes32 Its EIP-712 struct hash.
    """
    return standing_order._hash(order)


@internal
def _collect(collection: Collection) -> bool:
    found: Assessment = self._assess(collection)
    order: standing_order.StandingOrder = collection.order
    if found.refusal == _NO_SENSE or found.refusal == _NOT_SIGNED:
        log CollectionRefused(order_hash=found.order_hash, reason=found.refusal)
        return False
    if found.refusal != "":
        log CollectionSkipped(
            order_hash=found.order_hash,
            payer=order.payer,
            merchant=order.merchant,
            period=found.period,
            reason=found.refusal,
        )
        return False
    order_slots._take(order.payer, order.nonce, found.order_hash, found.period)
    to: address = self._destination(order, found.order_hash, found.period)
    log Collected(
        order_hash=found.order_hash,
        payer=order.payer,
        merchant=order.merchant,
        period=found.period,
        price=found.price,
        units=found.units,
        to=to,
    )
    return extcall IERC20(BILL).transferFrom(order.payer, to, found.units)


@internal
@view
def _assess(collection: Collection) -> Assessment:
    order: standing_order.StandingOrder = collection.order
    found: Assessment = Assessment(
        order_hash=standing_order._hash(order), period=0, price=order.fixed_price, units=0, refusal=""
    )
    found.refusal = self._refusal(order, found.order_hash, collection.signature)
    if found.refusal != "":
        return found
    found.period = (block.timestamp - order.starts_at) // order.period_seconds
    if found.period < order_slots.slots[order.payer][order.nonce].next_period:
        found.refusal = "not due"
        return found
    if order.price_mode == standing_order.ALL_MILK_PRICE:
        found.price = price_source._fresh_price()
        if found.price == 0:
            found.refusal = "stale price"
            return found
    if found.price > order.max_price:
        found.refusal = "price above maximum"
        return found
    found.units = standing_order._due(order.litres, found.price, order.rate)
    if found.units == 0:
        found.refusal = "nothing to collect"
    elif staticcall IERC20(BILL).balanceOf(order.payer) < found.units:
        found.refusal = "insufficient balance"
    elif staticcall IERC20(BILL).allowance(order.payer, self) < found.units:
        found.refusal = "insufficient allowance"
    return found


@internal
@view
def _refusal(
    order: standing_order.StandingOrder, order_hash: bytes32, signature: standing_order.Signature
) -> String[32]:
    if not standing_order._makes_sense(order):
        return _NO_SENSE
    if not standing_order._is_signed(order_hash, order.payer, signature):
        return _NOT_SIGNED
    slot_refusal: String[32] = order_slots._refusal(order.payer, order.nonce, order_hash)
    if slot_refusal != "":
        return slot_refusal
    if block.timestamp < order.starts_at:
        return "not started"
    if block.timestamp >= order.ends_at:
        return "ended"
    return ""


@internal
@view
def _destination(
    order: standing_order.StandingOrder, order_hash: bytes32, period: uint256
) -> address:
    if not order.into_vaults:
        return order.merchant
    key: bytes32 = standing_order._order_key(order_hash, period)
    return staticcall IOrderVaultFactory(ORDER_VAULT_FACTORY).vault_address(order.merchant, key)
