"""Standing orders: what a payer signed is collected once a period, and each refusal has a name."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boa
import pytest
from eth.exceptions import Revert
from eth_account import Account
from eth_account.signers.local import LocalAccount

from contracts import billcoin, rehearsal, standing_orders
from contracts.compile import SOURCES
from contracts.milk_price_feed import Price
from contracts.rehearsal import account_address, contract_address, deploy, malleated, now_seconds
from contracts.rehearsal_economy import LITRE, START_SECONDS, bytes_of, chain_id, change, set_time
from contracts.rehearsal_standing_orders import (
    HELD_UNITS,
    MAX_PRICE_AGE_SECONDS,
    MYR,
    PAYER,
    WEEK_SECONDS,
    Delivery,
    deploy_standing_orders,
)
from contracts.standing_orders import PriceMode, StandingOrder
from ledger.order_address import order_key
from ledger.units import UINT256_MAX, Units

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

MALLORY: LocalAccount = Account.from_key(b"\xe1" * 32)
ARTIFACT = standing_orders.artifact()
ZERO_SIGNATURE = rehearsal.Signature(0, bytes(32), bytes(32))


@pytest.fixture
def delivery() -> Iterator[Delivery]:
    with rehearsal.fresh_state():
        yield deploy_standing_orders()


def received(delivery: Delivery) -> int:
    units: int = delivery.bill.balanceOf(delivery.merchant)
    return units


def events(delivery: Delivery, name: str) -> list[Any]:
    return [log for log in delivery.contract.get_logs() if type(log).__name__ == name]


def all_milk(delivery: Delivery, **changes: Any) -> StandingOrder:
    return delivery.order(**{"price_mode": PriceMode.ALL_MILK, "fixed_price": Price(0), **changes})


def test_a_fixed_price_is_collected_at_the_locked_rate(delivery: Delivery) -> None:
    order = delivery.order()
    assert delivery.collect(order) == 1

    assert received(delivery) == 4 * LITRE
    assert delivery.bill.balanceOf(PAYER.address) == HELD_UNITS - 4 * LITRE


def test_a_collection_is_told_in_one_event(delivery: Delivery) -> None:
    order = delivery.order()
    delivery.collect(order)

    (collected,) = events(delivery, "Collected")
    assert collected.order_hash == standing_orders.order_hash(order)
    assert (collected.payer, collected.merchant) == (PAYER.address, delivery.merchant)
    assert (collected.period, collected.price, collected.units) == (0, 6 * MYR, 4 * LITRE)
    assert collected.to == delivery.merchant


def test_the_all_milk_price_of_the_moment_is_collected(delivery: Delivery) -> None:
    order = all_milk(delivery)
    delivery.collect(order)

    # RM 3.20 a litre: RM 6.40 for two, at RM 3.00 a BILL, rounded up to the sixth decimal.
    assert received(delivery) == 2_133_334 * 10**12
    assert received(delivery) == standing_orders.units_due(order, price=Price(320_000_000))


def test_a_period_is_collected_once_and_the_next_one_again(delivery: Delivery) -> None:
    order = delivery.order()
    assert delivery.collect(order, order) == 1
    assert delivery.refusal(order) == "not due"

    set_time(START_SECONDS + WEEK_SECONDS - 1)
    assert delivery.collect(order) == 0
    set_time(START_SECONDS + WEEK_SECONDS)
    assert delivery.collect(order) == 1
    assert received(delivery) == 8 * LITRE


def test_periods_that_passed_uncollected_are_forgiven(delivery: Delivery) -> None:
    order = delivery.order()
    set_time(START_SECONDS + 5 * WEEK_SECONDS)

    assert delivery.collect(order, order, order) == 1
    assert received(delivery) == 4 * LITRE


def test_nothing_is_collected_before_the_start_or_from_the_end_on(delivery: Delivery) -> None:
    order = delivery.order(starts_at_seconds=START_SECONDS + 1, ends_at_seconds=START_SECONDS + 10)
    assert delivery.refusal(order) == "not started"
    set_time(START_SECONDS + 9)
    assert delivery.refusal(order) == ""
    set_time(START_SECONDS + 10)
    assert delivery.refusal(order) == "ended"
    assert delivery.collect(order) == 0


def test_a_price_above_the_signed_maximum_is_never_collected(delivery: Delivery) -> None:
    at_the_limit = all_milk(delivery, max_price=Price(320_000_000))
    below = all_milk(delivery, max_price=Price(319_999_999))
    fixed = delivery.order(fixed_price=Price(7 * MYR + 1))

    assert delivery.refusal(at_the_limit) == ""
    assert delivery.refusal(below) == delivery.refusal(fixed) == "price above maximum"
    assert delivery.collect(below, fixed) == 0


def test_a_stale_price_is_never_collected_and_a_fixed_one_needs_none(delivery: Delivery) -> None:
    order = all_milk(delivery)
    set_time(START_SECONDS + MAX_PRICE_AGE_SECONDS)
    assert delivery.refusal(order) == ""

    set_time(START_SECONDS + MAX_PRICE_AGE_SECONDS + 1)
    assert delivery.refusal(order) == "stale price"
    assert delivery.collect(order, delivery.order(nonce=2)) == 1


def test_an_unpaid_period_can_be_collected_later_in_the_same_period(delivery: Delivery) -> None:
    order = delivery.order()
    delivery.bill.transfer(delivery.stranger, HELD_UNITS, sender=PAYER.address)
    assert delivery.collect(order) == 0
    (skipped,) = events(delivery, "CollectionSkipped")
    assert (skipped.payer, skipped.period) == (PAYER.address, 0)
    assert skipped.reason == "insufficient balance"

    delivery.bill.transfer(PAYER.address, HELD_UNITS, sender=delivery.stranger)
    delivery.bill.approve(delivery.contract.address, 4 * LITRE - 1, sender=PAYER.address)
    assert delivery.refusal(order) == "insufficient allowance"
    delivery.bill.approve(delivery.contract.address, 4 * LITRE, sender=PAYER.address)
    assert delivery.collect(order) == 1


def test_one_that_cannot_be_collected_does_not_stop_the_others(delivery: Delivery) -> None:
    good = [delivery.order(nonce=nonce) for nonce in (2, 3)]
    bad = [
        delivery.collection(delivery.order(nonce=4), ZERO_SIGNATURE),
        delivery.collection(delivery.order(nonce=5, litres=Units(UINT256_MAX))),
        delivery.collection(delivery.order(nonce=6, merchant=bytes(20))),
        delivery.collection(delivery.order(nonce=7, period_seconds=0)),
        delivery.collection(delivery.order(nonce=8), malleated(delivery.sign(delivery.order()))),
    ]
    mixed = [delivery.collection(good[0]), *bad, delivery.collection(good[1])]

    assert delivery.collect_signed(mixed) == 2
    assert len(events(delivery, "CollectionRefused")) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"payer": bytes(20)},
        {"merchant": bytes(20)},
        {"litres": Units(10**24 + 1)},
        {"period_seconds": 0},
        {"price_mode": 2},
        {"fixed_price": Price(10**14 + 1)},
        {"max_price": Price(10**14 + 1)},
        {"rate": Price(0)},
        {"rate": Price(10**14 + 1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_order_that_makes_no_sense_is_refused(
    delivery: Delivery, changes: dict[str, Any]
) -> None:
    assert delivery.refusal(delivery.order(**changes)) == "invalid order"


def test_an_order_for_less_than_a_sen_collects_nothing(delivery: Delivery) -> None:
    assert delivery.refusal(delivery.order(litres=Units(10**14))) == "nothing to collect"


def test_only_the_payers_own_signature_counts(delivery: Delivery) -> None:
    order = delivery.order()
    genuine = delivery.sign(order)
    dearer = replace(order, max_price=Price(9 * MYR))

    assert delivery.refusal(order, delivery.sign(order, MALLORY)) == "invalid signature"
    assert delivery.refusal(order, malleated(genuine)) == "invalid signature"
    assert delivery.refusal(order, ZERO_SIGNATURE) == "invalid signature"
    assert delivery.refusal(dearer, genuine) == "invalid signature"
    assert delivery.collect_signed([delivery.collection(dearer, genuine)]) == 0


def test_a_signature_dies_with_a_chain_split_and_on_another_contract(delivery: Delivery) -> None:
    order = delivery.order()
    other = deploy_standing_orders(delivery.bill)
    assert delivery.refusal(order, other.sign(order)) == "invalid signature"

    signature = delivery.sign(order)
    rehearsal.set_chain_id(chain_id() + 1)
    assert delivery.refusal(order, signature) == "invalid signature"


def test_two_orders_under_one_nonce_do_not_collect_twice(delivery: Delivery) -> None:
    order = delivery.order()
    twin = replace(order, litres=Units(1 * LITRE))

    assert delivery.collect(order, twin) == 1
    assert delivery.refusal(twin) == "nonce is used"
    set_time(START_SECONDS + WEEK_SECONDS)
    assert delivery.refusal(twin) == "nonce is used"


def test_the_payer_cancels_at_any_time(delivery: Delivery) -> None:
    order = delivery.order()
    delivery.collect(order)
    delivery.contract.cancel(order.nonce, sender=PAYER.address)
    set_time(START_SECONDS + WEEK_SECONDS)

    assert delivery.refusal(order) == "cancelled"
    assert delivery.collect(order) == 0
    with boa.reverts("order_slots: cancelled already"):
        delivery.contract.cancel(order.nonce, sender=PAYER.address)


def test_nobody_cancels_for_another(delivery: Delivery) -> None:
    order = delivery.order()
    for caller in (delivery.merchant, boa.env.eoa, delivery.stranger):
        delivery.contract.cancel(order.nonce, sender=caller)

    assert delivery.refusal(order) == ""


def test_a_payer_without_gas_cancels_by_signature(delivery: Delivery) -> None:
    order = delivery.order()
    message = standing_orders.cancel_typed_data(
        payer=order.payer,
        nonce=order.nonce,
        chain_id=chain_id(),
        contract=contract_address(delivery.contract),
    )
    cancel = delivery.contract.cancel_by_signature
    with boa.reverts("order_slots: invalid signature"):
        cancel(PAYER.address, order.nonce, rehearsal.sign(MALLORY, message))
    with boa.reverts("order_slots: invalid signature"):
        cancel(PAYER.address, 2, rehearsal.sign(PAYER, message))

    cancel(PAYER.address, order.nonce, rehearsal.sign(PAYER, message), sender=delivery.stranger)
    assert delivery.refusal(order) == "cancelled"


def test_a_broken_signature_is_not_the_zero_addresss_own(delivery: Delivery) -> None:
    with boa.reverts("order_slots: invalid signature"):
        delivery.contract.cancel_by_signature("0x" + "00" * 20, 1, ZERO_SIGNATURE)


def test_into_vaults_each_period_pays_the_order_address_of_its_own_order(
    delivery: Delivery,
) -> None:
    order = delivery.order(into_vaults=True)
    delivery.collect(order)
    set_time(START_SECONDS + WEEK_SECONDS)
    delivery.collect(order)

    keys = [order_key(standing_orders.order_id(order, period=period)) for period in (0, 1)]
    vaults = [delivery.factory.vault_address(delivery.merchant, key) for key in keys]
    assert [delivery.bill.balanceOf(vault) for vault in vaults] == [4 * LITRE, 4 * LITRE]
    argument = standing_orders.order_argument(order)
    assert delivery.contract.collection_address(argument, 1) == vaults[1]
    delivery.factory.sweep(delivery.bill.address, delivery.merchant, keys)
    assert received(delivery) == 8 * LITRE


def permit(delivery: Delivery, *, signer: LocalAccount = PAYER) -> Any:
    message = billcoin.permit_typed_data(
        owner=account_address(PAYER),
        spender=contract_address(delivery.contract),
        units=Units(100 * LITRE),
        nonce=delivery.bill.nonces(PAYER.address),
        deadline_seconds=UINT256_MAX,
        chain_id=chain_id(),
        token=contract_address(delivery.bill),
    )
    return (100 * LITRE, UINT256_MAX, *rehearsal.sign(signer, message))


def test_a_permit_can_come_with_the_first_collection(delivery: Delivery) -> None:
    delivery.bill.approve(delivery.contract.address, 0, sender=PAYER.address)
    collection = delivery.collection(delivery.order())

    assert delivery.contract.permit_and_collect(collection, permit(delivery)) is True
    assert received(delivery) == 4 * LITRE


def test_a_permit_that_somebody_broadcast_first_does_no_harm(delivery: Delivery) -> None:
    delivery.bill.approve(delivery.contract.address, 0, sender=PAYER.address)
    signed = permit(delivery)
    delivery.bill.permit(PAYER.address, delivery.contract.address, *signed)

    collection = delivery.collection(delivery.order())
    assert delivery.contract.permit_and_collect(collection, signed) is True


def test_a_forged_permit_gives_no_allowance(delivery: Delivery) -> None:
    delivery.bill.approve(delivery.contract.address, 0, sender=PAYER.address)
    collection = delivery.collection(delivery.order())

    forged = permit(delivery, signer=MALLORY)
    assert delivery.contract.permit_and_collect(collection, forged) is False
    assert received(delivery) == 0


def test_an_allowance_alone_moves_nothing(delivery: Delivery) -> None:
    order = delivery.order(payer=account_address(PAYER), merchant=account_address(MALLORY))

    assert delivery.collect_signed([delivery.collection(order, delivery.sign(order, MALLORY))]) == 0
    assert delivery.bill.balanceOf(PAYER.address) == HELD_UNITS


def test_more_than_the_limit_at_once_is_refused(delivery: Delivery) -> None:
    assert delivery.contract.MAX_COLLECTIONS() == standing_orders.MAX_COLLECTIONS
    collection = delivery.collection(delivery.order())

    with boa.reverts():
        delivery.collect_signed([collection] * (standing_orders.MAX_COLLECTIONS + 1))
    assert delivery.collect_signed([collection] * standing_orders.MAX_COLLECTIONS) == 1


BAD_FEED = """
decimals: public(constant(uint8)) = 8
answer: Bytes[200]

@external
def set_answer(answer: Bytes[200]):
    self.answer = answer

@external
@view
@raw_return
def latestRoundData() -> Bytes[200]:
    assert len(self.answer) > 0
    return self.answer
"""


def words(*values: int) -> bytes:
    return b"".join((value % 2**256).to_bytes(32) for value in values)


def test_a_feed_that_fails_or_lies_in_its_shape_is_no_price(delivery: Delivery) -> None:
    feed = boa.loads(BAD_FEED)
    change(delivery.contract, ARTIFACT, "set_feed", bytes_of(feed.address), 100)
    order, now, wide = all_milk(delivery), now_seconds(), 2**255
    assert delivery.refusal(order) == "stale price"
    for answer in (
        words(1, 5, now, now),
        words(1, 0, now, now, 1),
        words(1, -5, now, now, 1),
        words(1, 10**14 + 1, now, now, 1),
        words(1, 5 * MYR, now, now + 1, 1),
        words(1, 5 * MYR, now, now - 101, 1),
        words(1, 5 * MYR, now, 0, 1),
        words(1, 5 * MYR, now, now, 1)[:-1],
        words(wide, wide, wide, wide, wide),
    ):
        feed.set_answer(answer)
        assert delivery.refusal(order) == "stale price"
    feed.set_answer(words(wide, 5 * MYR, wide, now - 100, wide))
    assert delivery.refusal(order) == ""


@pytest.mark.parametrize(
    ("source", "age", "reason"),
    [
        ("decimals: public(constant(uint8)) = 18", 60, "feed has not 8 decimals"),
        ("decimals: public(constant(uint8)) = 8", 0, "maximum age is out of range"),
        ("decimals: public(constant(uint8)) = 8", 30 * 86_400 + 1, "maximum age is out of range"),
    ],
)
def test_an_unfit_feed_is_refused(delivery: Delivery, source: str, age: int, reason: str) -> None:
    feed = boa.loads(source)

    with boa.reverts(f"price_source: {reason}"):
        change(delivery.contract, ARTIFACT, "set_feed", bytes_of(feed.address), age)


def test_another_feed_comes_only_by_timelock(delivery: Delivery) -> None:
    for caller in (boa.env.eoa, delivery.stranger):
        with boa.reverts("timelock: only as a queued change"):
            delivery.contract.set_feed(delivery.feed.contract.address, 60, sender=caller)
    with boa.reverts("price_source: feed is not a contract"):
        change(delivery.contract, ARTIFACT, "set_feed", b"\x01" * 20, 60)


@pytest.mark.parametrize("wrong", ["bill", "order_vault_factory", "feed"])
def test_it_is_not_deployed_beside_something_that_is_no_contract(
    delivery: Delivery, wrong: str
) -> None:
    addresses = {
        "bill": contract_address(delivery.bill),
        "order_vault_factory": contract_address(delivery.factory),
        "feed": contract_address(delivery.feed.contract),
    }
    code = standing_orders.init_code(
        **(addresses | {wrong: b"\x01" * 20}), delay_seconds=60, max_price_age_seconds=60
    )

    with pytest.raises(Revert, match="is not a contract"):
        deploy(ARTIFACT, code)


def test_every_refusal_of_the_contract_is_named_by_the_loader() -> None:
    text = "".join(
        (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
        for name in ("standing_orders", "order_slots")
    )
    for refusal in standing_orders.REFUSALS:
        assert f'"{refusal}"' in text
