"""Draws orders, payments and chains as they can occur together."""

from dataclasses import replace

from hypothesis import strategies as st

from ledger.order import Depths, Finality, Order, Payment
from ledger.units import Sen, Units

DUE = 10
TX_HASHES = [bytes([index]) * 32 for index in range(1, 5)]
_SECONDS_PER_BLOCK = 10


@st.composite
def depths(draw: st.DrawFn) -> Depths:
    """A chain whose block n has the timestamp 10 n."""
    tip, safe, finalized = sorted(draw(st.tuples(*[st.integers(0, 30)] * 3)), reverse=True)
    return Depths(tip, tip * _SECONDS_PER_BLOCK, safe, finalized)


@st.composite
def payments(draw: st.DrawFn, chain: Depths) -> list[Payment]:
    """Payments in blocks of the chain, few enough units that sums around the due amount occur."""
    places = draw(
        st.lists(
            st.tuples(st.integers(0, chain.tip_number), st.integers(0, 3)), unique=True, max_size=5
        )
    )
    return [
        Payment(
            block_number=block,
            block_hash=bytes([block]) * 32,
            block_timestamp=block * _SECONDS_PER_BLOCK,
            log_index=log,
            tx_hash=draw(st.sampled_from(TX_HASHES)),
            amount=Units(draw(st.sampled_from([0, 1, 4, 6, 9, 10, 11, 25]))),
        )
        for block, log in places
    ]


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """An order that expires somewhere along the chain; a cancelled one was never paid."""
    order = Order(
        id="ord_1",
        amount_due=Units(DUE),
        amount_myr=Sen(180),
        required_finality=draw(st.sampled_from(Finality)),
        expires_at=draw(st.integers(0, 310)),
    )
    history = draw(st.sampled_from(["", "cancelled", "paid"]))
    return replace(order, is_cancelled=history == "cancelled", was_paid=history == "paid")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Order, list[Payment], Depths]:
    """An order, its canonical payments, and the chain that they stand in."""
    chain = draw(depths())
    return draw(orders()), draw(payments(chain)), chain
