# pragma version ==0.4.3
# pragma evm-version shanghai
"""
@title Milk Market Utility
@custom:contract-name milk_market
@license MIT
@notice Dairies spend BILL on feed and veterinary services of approved suppliers. The BILL waits in
        escrow; when delivery is certain it is burned, the supplier gets a redemption receipt and is
        settled with out of the pool, at the rate that held when it made the offer.
@dev Nobody but a dairy ever gets BILL out of here, and only its own: what is redeemed is burned. BILL
     sent here by a plain transfer belongs to no purchase and is lost.
"""

from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from . import market_escrow
from . import market_offers
from . import payout_pool
from . import regulation
from . import supplier_register
from . import timelock

initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: timelock[ownable := ownable]
initializes: regulation
initializes: supplier_register[regulation := regulation]
initializes: payout_pool[regulation := regulation]
initializes: market_offers[payout_pool := payout_pool, supplier_register := supplier_register]
initializes: market_escrow[payout_pool := payout_pool, regulation := regulation]

exports: (
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    ownable_2step.renounce_ownership,
    timelock.__interface__,
    regulation.__interface__,
    supplier_register.__interface__,
    market_offers.__interface__,
    payout_pool.__interface__,
    market_escrow.__interface__,
)


interface IDairyRegister:
    def is_dairy(account: address) -> bool: view


DAIRY_REGISTER: public(immutable(address))


@deploy
def __init__(
    bill: address,
    dairy_register: address,
    settlement_token: address,
    regulator: address,
    delay_seconds: uint256,
    settlement_per_litre: uint256,
    review_seconds: uint256,
    judgement_seconds: uint256,
):
    """
    @notice Makes the deployer owner.
    @param bill BILL's contract.
    @param dairy_register The minting module, which knows the approved dairies.
    @param settlement_token The ERC-20 that suppliers are settled with in, for good.
    @param regulator The first regulator.
    @param delay_seconds How long dangerous changes are announced before they can be made.
    @param settlement_per_litre The first rate, in base units of the token per litre redeemed; zero
           where suppliers are settled with off the chain, against their receipts.
    @param review_seconds How long a dairy may object to a reported delivery.
    @param judgement_seconds How long the regulator may take to judge a dispute.
    """
    assert dairy_register.is_contract, "milk_market: dairy register is not a contract"
    ownable.__init__()
    ownable_2step.__init__()
    timelock.__init__(delay_seconds)
    regulation.__init__(regulator)
    payout_pool.__init__(settlement_token, bill, settlement_per_litre)
    market_escrow.__init__(bill, review_seconds, judgement_seconds)
    DAIRY_REGISTER = dairy_register


@external
@nonreentrant
def buy(offer_id: uint256, quantity: uint256) -> uint256:
    """
    @notice Buys items of an offer with the caller's BILL, on its allowance; only an approved dairy may
            call.
    @param offer_id The offer.
    @param quantity How many items.
    @return uint256 The purchase's id, from 1 on.
    """
    assert staticcall IDairyRegister(DAIRY_REGISTER).is_dairy(msg.sender), "milk_market: caller is not an approved dairy"
    offer: market_offers.Offer = market_offers._take(offer_id, quantity)
    # Nothing is delivered by a dairy to itself: that would turn BILL into the programme's money.
    assert offer.supplier != msg.sender, "milk_market: supplier is the dairy itself"
    return market_escrow._open_purchase(
        market_escrow.Purchase(
            offer_id=offer_id,
            dairy=msg.sender,
            supplier=offer.supplier,
            units=offer.price * quantity,
            settlement_per_litre=offer.settlement_per_litre,
            state=market_escrow.ORDERED,
            deadline=block.timestamp + offer.delivery_seconds,
            redeemed=0,
        ),
        quantity,
    )
