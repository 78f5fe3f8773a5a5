"""Who has to wait because of what is released and not final already."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ledger.exposure import Release, held_back
from ledger.order import PolicyReason
from ledger.units import Sen

ALICE, BOB = b"\x0a" * 20, b"\x0b" * 20


def release(name: str, *, place: int, payer: bytes = ALICE, amount: int = 180) -> Release:
    return Release(name, "cafeteria", payer, Sen(amount), (place, 0), Sen(500), Sen(900))


def test_a_payer_is_held_back_beyond_the_limit_and_not_at_it() -> None:
    exact = replace(release("exact", place=1), amount_myr=Sen(320))
    assert held_back([exact], by_payer={ALICE: 180}, by_store={}) == {}
    beyond = replace(exact, amount_myr=Sen(321))
    found = held_back([beyond], by_payer={ALICE: 180}, by_store={})
    assert found == {"exact": PolicyReason.PAYER_EXPOSURE}


def test_many_orders_of_one_payer_in_one_block_are_released_in_the_order_of_the_chain() -> None:
    releases = [release(f"ord_{place}", place=place) for place in (5, 3, 1, 4, 2)]
    found = held_back(releases, by_payer={}, by_store={})
    assert found == dict.fromkeys(("ord_3", "ord_4", "ord_5"), PolicyReason.PAYER_EXPOSURE)


def test_all_payers_together_are_held_back_by_the_stores_limit() -> None:
    releases = [release("a", place=1), release("b", place=2, payer=BOB)]
    found = held_back(releases, by_payer={}, by_store={"cafeteria": 700})
    assert found == {"b": PolicyReason.STORE_EXPOSURE}


def test_what_is_held_back_exposes_nobody() -> None:
    releases = [release("large", place=1, amount=600), release("small", place=2)]
    assert held_back(releases, by_payer={}, by_store={}).keys() == {"large"}


def test_without_a_limit_nobody_is_held_back() -> None:
    free = replace(release("free", place=1, amount=10**9), payer_limit=None, store_limit=None)
    assert held_back([free], by_payer={ALICE: 10**12}, by_store={"cafeteria": 10**12}) == {}


@given(
    st.lists(
        st.tuples(st.sampled_from((ALICE, BOB)), st.integers(1, 400), st.integers(1, 4)),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_no_limit_is_ever_passed_whatever_the_order_of_the_list(
    wanted: list[tuple[bytes, int, int]],
    chance: "st.random.Random",  # type: ignore[name-defined]
) -> None:
    releases = [
        Release(f"ord_{at}", "cafeteria", payer, Sen(amount), (block, at), Sen(500), Sen(700))
        for at, (payer, amount, block) in enumerate(wanted)
    ]
    found = held_back(releases, by_payer={}, by_store={})
    shuffled = releases.copy()
    chance.shuffle(shuffled)
    assert held_back(shuffled, by_payer={}, by_store={}) == found
    kept = [one for one in releases if one.order_id not in found]
    for payer in (ALICE, BOB):
        assert sum(one.amount_myr for one in kept if one.payer == payer) <= 500
    assert sum(one.amount_myr for one in kept) <= 700
