"""Spending BILL: escrow until delivery is certain, then burned with a receipt, or given back."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from eth.exceptions import Revert

from contracts import milk_market, rehearsal
from contracts.milk_market import PurchaseState, SupplierKind
from contracts.rehearsal import deploy, now_seconds
from contracts.rehearsal_economy import LITRE, POOL_UNITS, deploy_mint, set_time
from contracts.rehearsal_market import (
    DELIVERY_SECONDS,
    DESCRIPTION_HASH,
    JUDGEMENT_SECONDS,
    OFFER_SECONDS,
    PRICE,
    QUANTITY,
    REVIEW_SECONDS,
    SETTLEMENT_PER_LITRE,
    Market,
    deploy_market,
    market_terms,
)

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

PROOF = b"\x0f" * 32
ZERO = "0x" + "00" * 20
HELD = 50 * LITRE


@pytest.fixture
def market() -> Iterator[Market]:
    with rehearsal.fresh_state():
        stage = deploy_market()
        stage.mint.attest(HELD)
        yield stage


def state(market: Market, purchase: int) -> int:
    value: int = market.contract.purchases(purchase)[5]
    return value


def held(market: Market) -> int:
    units: int = market.mint.bill.balanceOf(market.mint.dairy)
    return units


def events(market: Market, name: str) -> list[Any]:
    return [log for log in market.contract.get_logs() if type(log).__name__ == name]


def bought(market: Market, quantity: int = 3) -> int:
    return market.buy(market.offer(), quantity)


def delivered(market: Market) -> int:
    purchase = bought(market)
    market.contract.report_delivery(purchase, PROOF, sender=market.supplier)
    return purchase


def disputed(market: Market) -> int:
    purchase = delivered(market)
    market.contract.dispute(purchase, PROOF, sender=market.mint.dairy)
    return purchase


def test_an_offer_is_listed_and_told(market: Market) -> None:
    offer = market.offer()

    (listed,) = events(market, "OfferListed")
    assert (listed.offer_id, listed.supplier, listed.kind) == (offer, market.supplier, 1)
    assert (listed.price, listed.quantity, listed.description_hash) == (
        *(PRICE, QUANTITY),
        DESCRIPTION_HASH,
    )
    assert market.contract.offers(offer)[7] == SETTLEMENT_PER_LITRE


def test_a_purchase_puts_the_bill_into_escrow(market: Market) -> None:
    purchase = bought(market)

    assert held(market) == HELD - 3 * PRICE
    assert market.mint.bill.balanceOf(market.contract.address) == 3 * PRICE
    assert market.contract.escrowed_total() == 3 * PRICE
    assert state(market, purchase) == PurchaseState.ORDERED
    assert market.contract.offers(1)[3] == QUANTITY - 3


def test_confirmed_delivery_burns_the_bill_and_gives_the_supplier_receipt_and_settlement(
    market: Market,
) -> None:
    purchase = bought(market)
    market.contract.confirm_delivery(purchase, sender=market.mint.dairy)

    settlement = 3 * PRICE * SETTLEMENT_PER_LITRE // LITRE
    (receipt,) = events(market, "Redeemed")
    assert (receipt.purchase_id, receipt.supplier, receipt.dairy) == (
        *(purchase, market.supplier),
        market.mint.dairy,
    )
    assert (receipt.units, receipt.settlement) == (3 * PRICE, settlement)
    assert market.mint.bill.totalSupply() == HELD - 3 * PRICE
    assert market.contract.redeemed_total() == 3 * PRICE
    assert market.contract.escrowed_total() == 0
    assert market.mint.bill.balanceOf(market.supplier) == 0
    assert market.mint.ringgit.balanceOf(market.supplier) == settlement


def test_the_settlement_rate_is_the_one_the_offer_was_made_at(market: Market) -> None:
    purchase = bought(market)
    market.contract.set_payout_per_litre(0, sender=market.mint.regulator)
    market.contract.confirm_delivery(purchase, sender=market.mint.dairy)
    assert market.mint.ringgit.balanceOf(market.supplier) > 0

    later = bought(market)
    market.contract.confirm_delivery(later, sender=market.mint.dairy)
    assert events(market, "Redeemed")[0].settlement == 0


def test_a_short_pool_owes_the_supplier_and_the_bill_is_burned_all_the_same(
    market: Market,
) -> None:
    regulator = market.mint.regulator
    market.contract.withdraw_surplus(regulator, POOL_UNITS, sender=regulator)
    purchase = bought(market)
    market.contract.confirm_delivery(purchase, sender=market.mint.dairy)

    owed = 3 * PRICE * SETTLEMENT_PER_LITRE // LITRE
    assert market.contract.payout_owed(market.supplier) == owed
    market.mint.ringgit.mint(market.contract.address, owed)
    market.contract.claim_payout(market.supplier, owed)
    assert market.mint.ringgit.balanceOf(market.supplier) == owed


def test_a_delivery_never_reported_is_refunded_after_its_deadline(market: Market) -> None:
    purchase = bought(market)
    set_time(now_seconds() + DELIVERY_SECONDS)
    with boa.reverts("market_escrow: deadline has not passed"):
        market.contract.close_overdue(purchase)

    set_time(now_seconds() + 1)
    market.contract.close_overdue(purchase, sender=market.mint.stranger)
    assert held(market) == HELD
    assert market.mint.bill.totalSupply() == HELD


def test_a_reported_delivery_without_objection_is_redeemed_after_the_review(
    market: Market,
) -> None:
    purchase = delivered(market)
    set_time(now_seconds() + REVIEW_SECONDS + 1)
    market.contract.close_overdue(purchase, sender=market.mint.stranger)

    assert market.mint.bill.totalSupply() == HELD - 3 * PRICE
    assert market.contract.purchases(purchase)[7] == 3 * PRICE


def test_the_regulator_splits_a_disputed_purchase(market: Market) -> None:
    purchase = disputed(market)
    market.contract.judge(purchase, PRICE, sender=market.mint.regulator)

    assert held(market) == HELD - PRICE
    assert market.mint.bill.totalSupply() == HELD - PRICE
    assert events(market, "Refunded")[0].units == 2 * PRICE
    assert events(market, "Redeemed")[0].units == PRICE


@pytest.mark.parametrize("redeemed", [0, 3 * PRICE], ids=["all back", "all redeemed"])
def test_the_regulator_may_give_either_side_all(market: Market, redeemed: int) -> None:
    purchase = disputed(market)
    market.contract.judge(purchase, redeemed, sender=market.mint.regulator)

    assert market.mint.bill.totalSupply() == HELD - redeemed
    assert held(market) == HELD - redeemed


def test_a_dispute_that_nobody_judges_is_refunded(market: Market) -> None:
    purchase = disputed(market)
    set_time(now_seconds() + JUDGEMENT_SECONDS + 1)
    with boa.reverts("market_escrow: deadline has passed"):
        market.contract.judge(purchase, 0, sender=market.mint.regulator)
    market.contract.close_overdue(purchase)

    assert held(market) == HELD


def test_the_sides_can_end_a_dispute_by_giving_in(market: Market) -> None:
    first, second = disputed(market), disputed(market)
    market.contract.confirm_delivery(first, sender=market.mint.dairy)
    market.contract.decline(second, sender=market.supplier)

    assert held(market) == HELD - 3 * PRICE
    assert market.contract.escrowed_total() == 0


def test_only_the_right_side_may_act(market: Market) -> None:
    contract, purchase = market.contract, bought(market)
    strangers = (market.mint.stranger, market.mint.regulator, boa.env.eoa, market.veterinary)
    for caller in (*strangers, market.supplier):
        with boa.reverts("market_escrow: caller is not the dairy"):
            contract.confirm_delivery(purchase, sender=caller)
        with boa.reverts("market_escrow: caller is not the dairy"):
            contract.dispute(purchase, PROOF, sender=caller)
    for caller in (*strangers, market.mint.dairy):
        with boa.reverts("market_escrow: caller is not the supplier"):
            contract.report_delivery(purchase, PROOF, sender=caller)
        with boa.reverts("market_escrow: caller is not the supplier"):
            contract.decline(purchase, sender=caller)
        with boa.reverts("market_offers: caller is not the supplier"):
            contract.withdraw_offer(1, sender=caller)
    for caller in (boa.env.eoa, market.mint.dairy, market.supplier):
        with boa.reverts("regulation: caller is not the regulator"):
            contract.judge(purchase, 0, sender=caller)


def test_steps_out_of_order_or_out_of_time_are_refused(market: Market) -> None:
    contract, dairy = market.contract, market.mint.dairy
    purchase = bought(market)
    with boa.reverts("market_escrow: no delivery to object to"):
        contract.dispute(purchase, PROOF, sender=dairy)
    with boa.reverts("market_escrow: nothing to judge"):
        contract.judge(purchase, 0, sender=market.mint.regulator)
    late = bought(market)
    contract.report_delivery(purchase, PROOF, sender=market.supplier)
    with boa.reverts("market_escrow: delivery is reported already"):
        contract.report_delivery(purchase, PROOF, sender=market.supplier)
    set_time(now_seconds() + REVIEW_SECONDS + 1)
    with boa.reverts("market_escrow: deadline has passed"):
        contract.dispute(purchase, PROOF, sender=dairy)
    with boa.reverts("market_escrow: deadline has passed"):
        contract.report_delivery(late, PROOF, sender=market.supplier)


def test_a_closed_purchase_stays_closed(market: Market) -> None:
    contract, purchase = market.contract, bought(market)
    contract.decline(purchase, sender=market.supplier)

    for call in (contract.confirm_delivery, contract.decline, contract.close_overdue):
        with boa.reverts("market_escrow: purchase is closed"):
            call(purchase)
    with boa.reverts("market_escrow: no such purchase"):
        contract.confirm_delivery(99)


def test_more_than_was_paid_cannot_be_redeemed(market: Market) -> None:
    purchase = disputed(market)

    with boa.reverts("market_escrow: more than was paid"):
        market.contract.judge(purchase, 3 * PRICE + 1, sender=market.mint.regulator)


def test_only_an_approved_dairy_buys(market: Market) -> None:
    offer = market.offer()
    market.mint.module.revoke_dairy(market.mint.dairy, sender=market.mint.regulator)

    for caller in (market.mint.dairy, market.mint.stranger, market.supplier):
        with boa.reverts("milk_market: caller is not an approved dairy"):
            market.contract.buy(offer, 1, sender=caller)


def test_a_revoked_dairy_still_gets_its_refund(market: Market) -> None:
    purchase = bought(market)
    market.mint.module.revoke_dairy(market.mint.dairy, sender=market.mint.regulator)
    market.contract.decline(purchase, sender=market.supplier)

    assert held(market) == HELD


def test_what_cannot_be_bought_is_refused(market: Market) -> None:
    offer = market.offer(quantity=2)
    with boa.reverts("market_offers: no such offer"):
        market.buy(99)
    with boa.reverts("market_offers: quantity is zero"):
        market.buy(offer, 0)
    with boa.reverts("market_offers: not so many are left"):
        market.buy(offer, 3)
    market.contract.withdraw_offer(offer, sender=market.supplier)
    with boa.reverts("market_offers: not so many are left"):
        market.buy(offer)


def test_an_offer_is_good_until_its_deadline_and_not_after(market: Market) -> None:
    offer = market.offer()
    set_time(now_seconds() + OFFER_SECONDS)
    market.buy(offer)

    set_time(now_seconds() + 1)
    with boa.reverts("market_offers: offer has expired"):
        market.buy(offer)


def test_a_revoked_supplier_sells_and_lists_no_more(market: Market) -> None:
    offer = market.offer()
    market.contract.revoke_supplier(market.supplier, sender=market.mint.regulator)

    with boa.reverts("market_offers: supplier is not approved"):
        market.buy(offer)
    with boa.reverts("market_offers: caller is not an approved supplier"):
        market.offer()
    with boa.reverts("supplier_register: supplier is not approved"):
        market.contract.revoke_supplier(market.supplier, sender=market.mint.regulator)


def test_a_supplier_approved_anew_for_something_else_does_not_sell_the_old(market: Market) -> None:
    offer = market.offer()
    market.contract.revoke_supplier(market.supplier, sender=market.mint.regulator)
    market.contract.approve_supplier(
        market.supplier, SupplierKind.VETERINARY, sender=market.mint.regulator
    )

    with boa.reverts("market_offers: supplier is not approved"):
        market.buy(offer)


def test_a_dairy_cannot_redeem_by_buying_from_itself(market: Market) -> None:
    dairy = market.mint.dairy
    market.contract.approve_supplier(dairy, SupplierKind.FEED, sender=market.mint.regulator)
    offer = replace(market, supplier=dairy).offer()

    with boa.reverts("milk_market: supplier is the dairy itself"):
        market.buy(offer)


def test_the_register_refuses_what_makes_no_sense(market: Market) -> None:
    contract, regulator = market.contract, market.mint.regulator
    for caller in (boa.env.eoa, market.supplier):
        with boa.reverts("regulation: caller is not the regulator"):
            contract.approve_supplier(caller, 1, sender=caller)
        with boa.reverts("regulation: caller is not the regulator"):
            contract.revoke_supplier(market.supplier, sender=caller)
    with boa.reverts("supplier_register: supplier is the zero address"):
        contract.approve_supplier(ZERO, 1, sender=regulator)
    for kind in (0, 3):
        with boa.reverts("supplier_register: unknown kind"):
            contract.approve_supplier(market.mint.stranger, kind, sender=regulator)
    with boa.reverts("supplier_register: supplier is approved already"):
        contract.approve_supplier(market.supplier, 2, sender=regulator)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ((0, 1, 1, 1), "price is out of range"),
        ((10**30 + 1, 1, 1, 1), "price is out of range"),
        ((1, 0, 1, 1), "quantity is out of range"),
        ((1, 10**12 + 1, 1, 1), "quantity is out of range"),
        ((1, 1, -1, 1), "deadline has passed"),
        ((1, 1, 1, 0), "delivery time is out of range"),
        ((1, 1, 1, 180 * 86_400 + 1), "delivery time is out of range"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(
    market: Market, terms: tuple[int, int, int, int], reason: str
) -> None:
    price, quantity, lasts, delivery = terms
    deadline = now_seconds() + lasts

    with boa.reverts(f"market_offers: {reason}"):
        market.contract.list_offer(
            price, quantity, PROOF, deadline, delivery, sender=market.supplier
        )


def test_without_allowance_or_balance_nothing_is_bought(market: Market) -> None:
    offer = market.offer()
    with boa.reverts("erc20: transfer amount exceeds balance"):
        market.buy(offer, 26)
    market.mint.bill.approve(market.contract.address, 0, sender=market.mint.dairy)
    with boa.reverts("erc20: insufficient allowance"):
        market.buy(offer)
    assert market.contract.offers(offer)[3] == QUANTITY


RE_ENTERS = """
market: address
purchase: uint256
entered: public(uint256)
refused: public(uint256)

@external
def arm(market: address, purchase: uint256):
    self.market = market
    self.purchase = purchase

@external
def transfer(to: address, amount: uint256) -> bool:
    again: Bytes[36] = abi_encode(self.purchase, method_id=method_id("close_overdue(uint256)"))
    if raw_call(self.market, again, revert_on_failure=False):
        self.entered += 1
    else:
        self.refused += 1
    return True
"""


def test_a_settlement_token_that_calls_back_finds_the_door_locked() -> None:
    with rehearsal.fresh_state():
        token = boa.loads(RE_ENTERS)
        market = deploy_market(settlement_token=token)
        market.mint.attest(HELD)
        first, second = delivered(market), delivered(market)
        token.arm(market.contract.address, second)
        set_time(now_seconds() + REVIEW_SECONDS + 1)
        market.contract.close_overdue(first)

        assert (token.entered(), token.refused()) == (0, 1)
        assert state(market, second) == PurchaseState.DELIVERED
        assert market.mint.bill.totalSupply() == HELD - 3 * PRICE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bill": b"\x01" * 20}, "market_escrow: bill is not a contract"),
        ({"dairy_register": b"\x01" * 20}, "milk_market: dairy register is not a contract"),
        ({"review_seconds": 0}, "market_escrow: period is out of range"),
        ({"judgement_seconds": 180 * 86_400 + 1}, "market_escrow: period is out of range"),
    ],
)
def test_terms_that_make_no_sense_are_refused(changes: dict[str, Any], reason: str) -> None:
    with rehearsal.fresh_state():
        terms = replace(market_terms(deploy_mint()), **changes)

        with pytest.raises(Revert, match=reason):
            deploy(milk_market.artifact(), milk_market.init_code(terms))
