"""What an order costs and how deep it must lie, for every amount and rate."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.order import Finality
from ledger.payment_policy import ConfirmationPolicy, bill_due
from ledger.units import Sen

STEP = 10**12
amounts = st.integers(min_value=1, max_value=10**12).map(Sen)
rates = st.integers(min_value=1, max_value=10**14).map(lambda units: Decimal(units) / 10**8)


@pytest.mark.parametrize(
    ("sen", "rate", "units"),
    [
        (180, "7.20", 250_000_000_000_000_000),
        (720, "7.20", 10**18),
        (1, "7.20", 1_389_000_000_000_000),
        (1, "1000000", 1_000_000_000_000),
        (100, "3", 333_334_000_000_000_000),
    ],
)
def test_known_prices(sen: int, rate: str, units: int) -> None:
    assert bill_due(Sen(sen), rate_myr_per_bill=Decimal(rate)) == units


@given(amounts, rates)
def test_the_store_never_gets_less_and_the_payer_never_pays_a_step_more(
    sen: Sen, rate: Decimal
) -> None:
    due = bill_due(sen, rate_myr_per_bill=rate)
    exact = Fraction(sen, 100) / Fraction(rate) * 10**18
    assert due % STEP == 0
    assert exact <= due < exact + STEP


@given(amounts, amounts, rates)
def test_more_ringgit_never_cost_less_bill(one: Sen, other: Sen, rate: Decimal) -> None:
    low, high = sorted((one, other))
    assert bill_due(low, rate_myr_per_bill=rate) <= bill_due(high, rate_myr_per_bill=rate)


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        bill_due(Sen(1), rate_myr_per_bill=Decimal(rate))


@given(amounts, amounts)
def test_more_money_never_needs_less_depth(one: Sen, other: Sen) -> None:
    policy = ConfirmationPolicy(Sen(50_00), Sen(500_00))
    depth = list(Finality)
    low, high = sorted((one, other))
    assert depth.index(policy.required_finality(low)) <= depth.index(policy.required_finality(high))
