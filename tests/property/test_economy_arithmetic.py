"""Years, medians and what a standing order comes to: the contracts compute what Python computes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext
from statistics import median_high, median_low

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lean import search

from contracts import milk_price_feed, rehearsal
from contracts.milk_price_feed import Price
from contracts.rehearsal import deploy
from contracts.rehearsal_economy import DELAY_SECONDS, LITRE, Mint, deploy_mint, set_time
from contracts.rehearsal_standing_orders import POLICY, Delivery, deploy_standing_orders
from contracts.standing_orders import amount_due, most_units_a_period, units_due
from ledger.units import Units

# The EVM runs in Python: measuring it takes as long again, and it is none of our code.
pytestmark = pytest.mark.no_cover

YEAR_2300 = 10_413_792_000


@pytest.fixture(scope="module")
def mint() -> Iterator[Mint]:
    with rehearsal.fresh_state():
        yield deploy_mint()


@pytest.fixture(scope="module")
def delivery() -> Iterator[Delivery]:
    with rehearsal.fresh_state():
        yield deploy_standing_orders()


def moment(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


@search(60)
@given(
    time=st.integers(min_value=100_000, max_value=YEAR_2300),
    over=st.sampled_from([-1, 0, 0]),
)
@example(time=moment(2027, 1, 1), over=-1)
@example(time=moment(2027, 1, 1), over=0)
@example(time=moment(2000, 2, 29), over=0)
@example(time=moment(2100, 3, 1), over=-1)
@example(time=moment(2028, 12, 31), over=0)
@example(time=moment(2029, 1, 1), over=-1)
def test_a_batch_counts_for_the_calendar_year_it_ended_in(mint: Mint, time: int, over: int) -> None:
    ended_at = time + over
    year = datetime.fromtimestamp(ended_at, UTC).year
    with rehearsal.fresh_state():
        set_time(ended_at)
        mint.module.set_quota(mint.dairy, year, 10**30, sender=mint.regulator)
        before = mint.module.attested_litres(mint.dairy, year)
        mint.attest(5 * LITRE, nonce=7, batch_id=b"\x77" * 32)

        assert mint.module.attested_litres(mint.dairy, year) - before == 5 * LITRE


amounts = st.integers(min_value=0, max_value=10**24)
prices = st.integers(min_value=0, max_value=10**14)
rates = st.integers(min_value=1, max_value=10**14)


@search(80)
@given(litres=amounts, price=prices, rate=rates)
@example(litres=10**24, price=10**14, rate=1)
@example(litres=25 * 10**16, price=720_000_000, rate=300_000_000)
def test_the_contract_collects_the_bill_due_of_an_order_over_as_many_sen(
    delivery: Delivery, litres: int, price: int, rate: int
) -> None:
    order = delivery.order(
        litres=Units(litres), fixed_price=Price(price), max_price=Price(price), rate=Price(rate)
    )
    assessment = delivery.contract.assess(delivery.collection(order))

    with localcontext(prec=120):
        sen = (Decimal(litres) * price / Decimal(10) ** 24).to_integral_value(ROUND_DOWN)
        bill = sen / 100 / (Decimal(rate) / 10**8)
        expected = int(bill.quantize(Decimal("0.000001"), ROUND_UP) * 10**18)
    assert assessment[3] == units_due(order, price=Price(price)) == expected
    assert amount_due(order, price=Price(price)) == sen
    assert most_units_a_period(order) == expected


@search(40)
@given(
    values=st.lists(st.integers(min_value=1, max_value=10**14), min_size=5, max_size=5),
    silent=st.integers(min_value=0, max_value=2),
)
def test_the_price_is_the_median_and_nobody_alone_moves_it_out_of_the_others_range(
    values: list[int], silent: int
) -> None:
    reporters = [number.to_bytes(20) for number in range(1, 6)]
    said = values[: len(values) - silent]
    with rehearsal.fresh_state():
        contract = deploy(
            milk_price_feed.artifact(),
            milk_price_feed.init_code(
                delay_seconds=DELAY_SECONDS, reporters=reporters, policy=POLICY
            ),
        )
        for reporter, value in zip(reporters, said, strict=False):
            contract.report(value, sender=f"0x{reporter.hex()}")
        if silent:
            set_time(rehearsal.now_seconds() + POLICY.window_seconds)
            contract.close_round()
        price = contract.latestRoundData()[1]

    assert price == (median_low(said) + median_high(said)) // 2
    for liar in range(len(said)):
        honest = said[:liar] + said[liar + 1 :]
        assert min(honest) <= price <= max(honest)
