"""A sale's litres are spread over the batches in circulation, whole, and by nobody's choice."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from lean import search

from ledger.attribution import SupplyChange, attribute
from ledger.units import Units

LITRE = 10**18


def minted(name: str, litres: int) -> SupplyChange:
    return SupplyChange(Units(litres * LITRE), Units(0), [(name, Units(litres * LITRE))])


def burned(litres: int) -> SupplyChange:
    return SupplyChange(Units(0), Units(litres * LITRE))


def litres_by_batch(changes: list[SupplyChange], sold: int) -> dict[str, int]:
    found = attribute(changes, Units(sold))
    return {share.batch_id: share.litres for share in found.shares}


def test_each_batch_has_its_part_of_what_is_in_circulation() -> None:
    found = attribute([minted("a", 300), minted("b", 100)], Units(4 * LITRE))
    assert found.supply == 400 * LITRE
    assert [(share.batch_id, share.litres) for share in found.shares] == [
        ("a", 3 * LITRE),
        ("b", LITRE),
    ]
    assert found.unattested == 0


def test_a_burn_takes_from_what_was_there_and_not_from_what_comes_later() -> None:
    found = attribute([minted("a", 200), burned(100), minted("b", 100)], Units(2 * LITRE))
    assert {share.batch_id: share.remaining for share in found.shares} == {
        "a": 100 * LITRE,
        "b": 100 * LITRE,
    }
    assert litres_by_batch([minted("a", 7), burned(7), minted("b", 1)], LITRE) == {"b": LITRE}


def test_what_no_sensor_attested_is_shown_as_such() -> None:
    faucet = SupplyChange(Units(100 * LITRE), Units(0))
    found = attribute([faucet, minted("a", 300)], Units(4 * LITRE))
    assert found.unattested == LITRE
    assert attribute([], Units(5)).unattested == 5


amounts = st.integers(1, 10**6)
changes = st.lists(
    st.one_of(
        st.builds(lambda name, litres: ("mint", name, litres), st.sampled_from("abcdef"), amounts),
        st.builds(lambda litres: ("burn", "", litres), amounts),
        st.builds(lambda litres: ("faucet", "", litres), amounts),
    ),
    max_size=12,
)


@search()
@given(changes, st.integers(1, 10**24))
def test_it_agrees_with_exact_fractions_and_loses_nothing(
    drawn: list[tuple[str, str, int]], sold: int
) -> None:
    supply, holding, told = Fraction(0), dict[str, Fraction](), []
    for kind, name, litres in drawn:
        if kind == "burn":
            litres = min(litres, int(supply))  # noqa: PLW2901 - a token burns what there is
            if supply:
                kept = (supply - litres) / supply
                holding = {batch: part * kept for batch, part in holding.items() if kept}
            supply -= litres
            told.append(SupplyChange(Units(0), Units(litres)))
            continue
        supply += litres
        if kind == "mint":
            holding[name] = holding.get(name, Fraction(0)) + litres
        batches = [(name, Units(litres))] if kind == "mint" else []
        told.append(SupplyChange(Units(litres), Units(0), batches))
    found = attribute(told, Units(sold))
    assert found.supply == supply
    assert sum(share.litres for share in found.shares) + found.unattested == sold
    for share in found.shares:
        exact = holding[share.batch_id] / supply * sold
        assert 0 <= exact - share.litres < 2
