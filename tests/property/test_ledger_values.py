"""Amounts, ids and hex: what two programs could read differently is refused."""

import string
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lean import search

from ledger.errors import RejectedError
from ledger.ids import event_id, sortable_id
from ledger.json_hex import UnprovenError, read_data, read_list, read_quantity, to_hex
from ledger.order import Finality
from ledger.payment_policy import ConfirmationPolicy, bill_due
from ledger.units import (
    UINT256_MAX,
    Sen,
    Units,
    format_bill,
    format_decimal,
    format_myr,
    parse_bill,
    parse_decimal,
    parse_myr,
)

UINT256 = st.integers(0, UINT256_MAX)


@search()
@given(UINT256)
def test_any_amount_of_bill_is_read_as_it_was_written(amount: int) -> None:
    text = format_bill(Units(amount))
    assert parse_bill(text) == amount
    assert Fraction(text) == Fraction(amount, 10**18)
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


@search()
@given(UINT256)
def test_any_amount_of_ringgit_is_read_as_it_was_written(amount: int) -> None:
    text = format_myr(Sen(amount))
    assert parse_myr(text) == amount
    assert len(text.split(".")[1]) == 2


@search()
@given(UINT256, st.integers(0, 18), st.integers(0, 18))
def test_trailing_zeros_may_be_written_and_change_nothing(
    amount: int, decimals: int, shown: int
) -> None:
    text = format_decimal(amount, decimals=decimals, min_decimals=min(shown, decimals))
    assert parse_decimal(text, decimals=decimals, param="amount") == amount


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0", 0),
        ("0.0", 0),
        ("1", 10**18),
        ("1.80", 18 * 10**17),
        ("0.000000000000000001", 1),
        (format_bill(Units(UINT256_MAX)), UINT256_MAX),
    ],
)
def test_reads_plain_decimals(text: str, units: int) -> None:
    assert parse_bill(text) == units


MALFORMED = {
    "nothing": "",
    "blank": " ",
    "space before": " 1",
    "space after": "1 ",
    "newline after": "1\n",
    "plus": "+1",
    "minus": "-1",
    "minus zero": "-0",
    "exponent": "1e18",
    "upper-case exponent": "1E18",
    "negative exponent": "1e-2",
    "not a number": "NaN",
    "lower-case nan": "nan",
    "infinity": "Infinity",
    "hex": "0x10",
    "underscore": "1_000",
    "thousands separator": "1,000",
    "decimal comma": "1,5",
    "leading zero": "01",
    "two zeros": "00",
    "no whole part": ".5",
    "no fraction": "1.",
    "two points": "1.2.3",
    "only a point": ".",
    "full-width digit": "\uff11",
    "arabic digit": "\u0661",
    "superscript": "1\u00b2",
    "vulgar fraction": "\u00bd",
    "zero-width space": "1\u200b",
    "null byte": "1\0",
    "nineteen decimals": "0." + "0" * 18 + "1",
    "nineteen decimals that are zero": "1." + "0" * 19,
    "one more than a uint256": format_bill(Units(UINT256_MAX + 1)),
    "79 digits": "9" * 79,
    "a million digits": "9" * 10**6,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_what_is_no_plain_decimal(text: str) -> None:
    with pytest.raises(RejectedError) as refused:
        parse_bill(text, param="expectedAmount")
    assert (refused.value.code, refused.value.param) == ("amount_invalid", "expectedAmount")


@pytest.mark.parametrize("text", ["1.801", "0.001", "1.000"])
def test_ringgit_has_two_decimals(text: str) -> None:
    with pytest.raises(RejectedError, match="more than 2 decimals"):
        parse_myr(text)


@search(300)
@given(st.text(alphabet="0123456789.eE+-_, \u0661\u200b", max_size=12))
def test_what_is_read_is_what_decimal_reads_and_writes(text: str) -> None:
    """Whatever is accepted has one meaning, and Python's Decimal agrees on it."""
    try:
        amount = parse_bill(text)
    except RejectedError:
        return
    assert set(text) <= set(string.digits + ".")
    assert Decimal(text) * 10**18 == amount


@search()
@given(
    st.integers(1, 10**12).map(Sen),
    st.decimals(Decimal("0.00000001"), Decimal(10**6), places=8),
)
def test_the_due_amount_is_the_least_that_covers_the_price(price: Sen, rate: Decimal) -> None:
    assume(rate > 0)
    due = bill_due(price, rate_myr_per_bill=rate)
    step = 10**12  # six decimals of eighteen
    worth = Fraction(due, 10**18) * Fraction(rate) * 100
    assert due % step == 0
    assert worth >= price > Fraction(due - step, 10**18) * Fraction(rate) * 100


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_there_is_no_price_at_an_impossible_rate(rate: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        bill_due(Sen(180), rate_myr_per_bill=Decimal(rate))


@pytest.mark.parametrize(
    ("sen", "depth"),
    [
        (1, Finality.INCLUDED),
        (5000, Finality.INCLUDED),
        (5001, Finality.SAFE),
        (20000, Finality.SAFE),
        (20001, Finality.FINALIZED),
    ],
)
def test_larger_orders_wait_for_more_depth(sen: int, depth: Finality) -> None:
    policy = ConfirmationPolicy(included_limit=Sen(5000), safe_limit=Sen(20000))
    assert policy.required_finality(Sen(sen)) is depth


MOMENTS = st.integers(0, 2**48 - 1)
CHANCE = st.binary(min_size=10, max_size=10)


@search()
@given(MOMENTS, MOMENTS, CHANCE, CHANCE)
def test_ids_sort_by_their_time(early: int, late: int, one: bytes, other: bytes) -> None:
    assume(early < late)
    first = sortable_id("ord", unix_milliseconds=early, randomness=one)
    second = sortable_id("ord", unix_milliseconds=late, randomness=other)
    assert first < second
    assert len(first) == len("ord_") + 26


@search()
@given(MOMENTS, CHANCE, CHANCE)
def test_ids_of_one_moment_differ_as_chance_does(moment: int, one: bytes, other: bytes) -> None:
    first = sortable_id("pay", unix_milliseconds=moment, randomness=one)
    second = sortable_id("pay", unix_milliseconds=moment, randomness=other)
    assert (first == second) == (one == other)
    assert (first < second) == (one < other)
    assert set(first.removeprefix("pay_")) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_an_id_needs_ten_bytes_of_chance() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        sortable_id("ord", unix_milliseconds=0, randomness=b"\0" * 9)


@search()
@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_event_ids_sort_as_their_numbers(one: int, other: int) -> None:
    assert (event_id(one) < event_id(other)) == (one < other)
    assert int(event_id(one).removeprefix("evt_"), 16) == one


@search()
@given(st.binary(max_size=80))
def test_data_is_read_as_it_was_written(data: bytes) -> None:
    assert read_data(to_hex(data), field="x") == data
    assert read_data("0x" + data.hex().upper(), field="x", length=len(data)) == data
    with pytest.raises(UnprovenError):
        read_data(to_hex(data), field="x", length=len(data) + 1)


@search()
@given(UINT256)
def test_a_quantity_is_read_as_it_was_written(number: int) -> None:
    assert read_quantity(hex(number), field="x") == number


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, 1.0, True, b"0x1", ["0x1"], {}, "", "0", "0x", "1", "x1", "0X1", "0x00", "0x01"),
        *("0x1 ", " 0x1", "0x1_0", "0x-1", "0x+1", "-0x1", "0xg", "0x\u0661", "0x1\n"),
        "0x1" + "0" * 64,
    ],
)
def test_refuses_what_is_no_quantity(value: object) -> None:
    with pytest.raises(UnprovenError) as refused:
        read_quantity(value, field="gas")
    assert refused.value.code == "field_malformed"
    assert "gas" in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, True, b"0x12", ["0x"], "", "0", "12", "0X12", "0x1", "0x123", "0x 12", "0x12 "),
        *("0x1 2", "0x12\n", "0x1_2", "0xgg", "0x\uff11\uff12", "\u00300x"),
    ],
)
def test_refuses_what_is_no_data(value: object) -> None:
    with pytest.raises(UnprovenError) as refused:
        read_data(value, field="topic")
    assert refused.value.code == "field_malformed"


@pytest.mark.parametrize("value", [None, "", "ab", {}, (), 0, False])
def test_refuses_what_is_no_list(value: object) -> None:
    with pytest.raises(UnprovenError):
        read_list(value, field="logs")
    assert read_list([value], field="logs") == [value]
