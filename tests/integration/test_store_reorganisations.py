"""Blocks come and go on a real database, and orders follow them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from store_world import ANCHOR, CHAIN_ID, DUE, NOW, Ledger, make_block, open_ledger, ref, tx

from ledger.block import ProvenBlock
from ledger.chain import BrokenBranchError, FinalityConflictError
from ledger.order import Finality, Status
from ledger.store.lookup import read_evidence
from ledger.store.switch import Step, apply_step, is_canonical, read_canonical


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


async def test_a_payment_makes_an_order_paid_and_finality_settles_it(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    paid = await ledger.grow((order.address, DUE + 3, "t1"))
    stored = await ledger.read(order)
    assert (stored.status, stored.amount_received, stored.amount_owed_back) == (
        Status.PAID,
        DUE + 3,
        3,
    )
    assert stored.paid_at is not None
    await ledger.grow()
    await ledger.apply(finalized=paid.header)
    assert await ledger.status(order) is Status.SETTLED
    assert (await ledger.read(order)).settled_at is not None
    assert await ledger.event_types(order) == ["created", "paid", "settled"]
    await ledger.require_sound()


async def test_an_order_found_in_final_history_was_paid_and_settled_at_once(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    block = make_block(ledger.tip, (order.address, DUE, "t1"))
    await ledger.apply(block, finalized=block.header)
    assert await ledger.event_types(order) == ["created", "paid", "settled"]
    assert (await ledger.read(order)).version == 3


@pytest.mark.parametrize("finality", [Finality.SAFE, Finality.FINALIZED])
async def test_a_larger_order_waits_for_its_depth(ledger: Ledger, finality: Finality) -> None:
    order = await ledger.order("milk", finality=finality)
    paid = await ledger.grow((order.address, DUE, "t1"))
    await ledger.grow()
    assert await ledger.status(order) is Status.DETECTED
    await ledger.apply(safe=paid.header)
    after_safe = Status.PAID if finality is Finality.SAFE else Status.DETECTED
    assert await ledger.status(order) is after_safe
    await ledger.apply(finalized=paid.header)
    assert await ledger.status(order) is Status.SETTLED


async def test_a_reorganisation_takes_a_payment_out_and_another_brings_it_back(
    ledger: Ledger,
) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    await ledger.grow((order.address, DUE, "t1"))
    empty = make_block(fork, branch="b")
    outcome = await ledger.apply(empty, fork=fork)
    assert (outcome.retracted_count, outcome.transfer_count) == (1, 0)
    assert await ledger.status(order) is Status.REVERSED
    await ledger.grow((order.address, DUE, "t1"), branch="b")
    assert await ledger.status(order) is Status.PAID
    assert await ledger.event_types(order) == ["created", "paid", "reversed", "paid"]
    await ledger.require_sound()


async def test_a_payment_that_only_moves_to_another_block_stays_paid_and_is_told(
    ledger: Ledger,
) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    await ledger.grow((order.address, DUE, "t1"))
    first = make_block(fork, branch="b")
    second = make_block(first.header, (order.address, DUE, "t1"), branch="b")
    await ledger.apply(first, second, fork=fork)
    stored = await ledger.read(order)
    assert (stored.status, stored.amount_received) == (Status.PAID, DUE)
    assert await ledger.event_types(order) == ["created", "paid", "updated"]
    evidence = await read_evidence(ledger.connection, CHAIN_ID, tx("t1"))
    assert evidence is not None
    assert [item.block_hash for item in evidence.sighting.candidates[0].payments] == [
        second.header.hash
    ]
    await ledger.require_sound()


async def test_a_payment_can_move_to_another_order(ledger: Ledger) -> None:
    """A contract that pays whom it likes: the same transaction, another recipient."""
    one, other = await ledger.order("one"), await ledger.order("other")
    fork = ledger.tip
    await ledger.grow((one.address, DUE, "t1"))
    await ledger.apply(make_block(fork, (other.address, DUE, "t1"), branch="b"), fork=fork)
    assert await ledger.status(one) is Status.REVERSED
    assert await ledger.status(other) is Status.PAID
    await ledger.require_sound()


async def test_branches_that_flip_back_and_forth_end_where_the_last_one_stands(
    ledger: Ledger,
) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    a1 = make_block(fork, (order.address, DUE, "t1"))
    a2 = make_block(a1.header)
    b1 = make_block(fork, branch="b")
    b2 = make_block(b1.header, (order.address, DUE + 1, "t2"), branch="b")
    await ledger.apply(a1, a2)
    for _ in range(3):
        await ledger.apply(b1, b2, fork=fork)
        stored = await ledger.read(order)
        assert (stored.status, stored.amount_owed_back) == (Status.PAID, 1)
        await ledger.require_sound()
        await ledger.apply(a1, a2, fork=fork)
        stored = await ledger.read(order)
        assert (stored.status, stored.amount_owed_back) == (Status.PAID, 0)
        await ledger.require_sound()
    counted = await ledger.connection.fetchval("SELECT count(*) FROM transfer")
    assert counted == 2  # a block that comes back finds its own rows again
    assert await is_canonical(ledger.connection, CHAIN_ID, a2.header.hash) is True
    assert await is_canonical(ledger.connection, CHAIN_ID, b2.header.hash) is False
    assert await is_canonical(ledger.connection, CHAIN_ID, bytes(32)) is None


async def test_a_block_that_comes_back_pays_again_whatever_stood_between(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    a1 = await ledger.grow((order.address, DUE, "t1"))
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    assert await ledger.status(order) is Status.REVERSED
    await ledger.apply(a1, fork=fork)
    assert await ledger.status(order) is Status.PAID
    await ledger.require_sound()


async def test_blocks_come_back_in_batches_with_new_ones_among_them(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    a1 = await ledger.grow((order.address, DUE - 1, "t1"))
    a2 = await ledger.grow((order.address, 1, "t2"))
    a3 = make_block(a2.header, (order.address, 5, "t3"))
    a4 = make_block(a3.header, (order.address, 2, "t4"))
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    outcome = await ledger.apply(a4, fork=fork, below=[[a1], [a2, a3]])
    assert outcome.transfer_count == 4
    stored = await ledger.read(order)
    assert (stored.status, stored.amount_received) == (Status.PAID, DUE + 7)
    for table, expected in (("transfer", 4), ("contract_event", 5)):
        canonical = await ledger.connection.fetch(f"SELECT canonical FROM {table}")  # noqa: S608
        told = [row["canonical"] for row in canonical]
        assert len(told) == expected
        assert told.count(True) == 4
    await ledger.require_sound()


async def test_when_it_was_paid_and_settled_is_said_once_and_for_all(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    a1 = await ledger.grow((order.address, DUE, "t1"))
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    ledger.now = NOW + timedelta(minutes=1)
    await ledger.apply(a1, fork=fork)
    await ledger.apply(finalized=a1.header)
    ledger.now = NOW + timedelta(minutes=2)
    await ledger.grow((order.address, DUE, "t2"))
    stored = await ledger.read(order)
    assert (stored.status, stored.amount_owed_back) == (Status.SETTLED, DUE)
    assert (stored.paid_at, stored.settled_at) == (NOW, NOW + timedelta(minutes=1))


async def test_sixty_four_blocks_can_be_replaced_at_once(ledger: Ledger) -> None:
    orders = [await ledger.order(f"milk-{index}") for index in range(64)]
    fork = parent = ledger.tip
    old: list[ProvenBlock] = []
    for index, order in enumerate(orders):
        old.append(make_block(parent, (order.address, DUE, f"t{index}")))
        parent = old[-1].header
    await ledger.apply(*old)
    new, parent = [], fork
    for index, order in enumerate(reversed(orders[:32])):
        new.append(make_block(parent, (order.address, DUE, f"t{index}"), branch="b"))
        parent = new[-1].header
    outcome = await ledger.apply(*new, fork=fork)
    assert (outcome.retracted_count, outcome.transfer_count) == (64, 32)
    statuses = [await ledger.status(order) for order in orders]
    assert statuses == [Status.PAID] * 32 + [Status.REVERSED] * 32
    await ledger.require_sound()


async def test_a_reorganisation_without_transfers_tells_nobody_anything(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    await ledger.grow((order.address, DUE, "t1"))
    fork = ledger.tip
    await ledger.grow()
    outcome = await ledger.apply(make_block(fork, branch="b"), fork=fork)
    assert (outcome.retracted_count, list(outcome.events)) == (1, [])
    assert await ledger.event_types(order) == ["created", "paid"]


async def test_stepping_back_without_a_replacement_retracts_only(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    await ledger.grow((order.address, DUE, "t1"))
    await ledger.apply(fork=fork)
    assert await ledger.status(order) is Status.REVERSED
    cursor = await ledger.cursor()
    assert (cursor.tip, cursor.tip_timestamp) == (ref(fork), fork.timestamp)
    await ledger.require_sound()


async def test_one_block_pays_many_orders_and_one_transaction_pays_two(ledger: Ledger) -> None:
    one, two = await ledger.order("one"), await ledger.order("two")
    stranger = b"\x77" * 20
    await ledger.grow(
        (one.address, 4, "t1"),
        (stranger, 5, "t1"),
        (two.address, DUE, "t1"),
        (one.address, 6, "t2"),
    )
    assert await ledger.status(one) is Status.PAID
    assert await ledger.status(two) is Status.PAID
    evidence = await read_evidence(ledger.connection, CHAIN_ID, tx("t1"))
    assert evidence is not None
    paid = {item.order.id: len(item.payments) for item in evidence.sighting.candidates}
    assert paid == {one.id: 2, two.id: 1}


async def test_time_expires_orders_and_a_reorganisation_revives_them(ledger: Ledger) -> None:
    """The tip's timestamp is the only clock: when it goes back, so do expiries."""
    awaiting = await ledger.order("awaiting", expires_at=25)
    underpaid = await ledger.order("underpaid", expires_at=25)
    await ledger.grow((underpaid.address, 4, "t1"))
    await ledger.grow()
    fork = ledger.tip
    assert await ledger.status(awaiting) is Status.AWAITING_PAYMENT
    await ledger.grow()
    assert await ledger.status(awaiting) is Status.EXPIRED
    assert (await ledger.read(underpaid)).amount_owed_back == 4
    await ledger.apply(make_block(fork, branch="b", seconds=5), fork=fork)
    assert await ledger.status(awaiting) is Status.AWAITING_PAYMENT
    assert (await ledger.read(underpaid)).amount_owed_back == 0
    await ledger.grow((underpaid.address, 6, "t2"), branch="b")
    late = await ledger.read(underpaid)
    assert (late.status, late.amount_owed_back) == (Status.PAID_LATE, 10)
    assert await ledger.event_types(awaiting) == [
        "created",
        "expired",
        "awaiting_payment",
        "expired",
    ]
    await ledger.require_sound()


async def test_a_cancelled_order_owes_back_whatever_still_comes(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    assert await ledger.cancel(order.id)
    assert not await ledger.cancel(order.id)
    await ledger.grow((order.address, DUE, "t1"))
    stored = await ledger.read(order)
    assert (stored.status, stored.amount_owed_back) == (Status.CANCELLED, DUE)
    assert await ledger.event_types(order) == ["created", "cancelled", "updated"]


async def test_a_paid_order_cannot_be_cancelled(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    await ledger.grow((order.address, DUE, "t1"))
    assert not await ledger.cancel(order.id)
    await ledger.apply(make_block(fork, branch="b"), fork=fork)
    assert not await ledger.cancel(order.id)  # reversed: its payment may well come back
    assert not await ledger.cancel("ord_unknown")


async def test_finality_never_goes_back_and_nothing_passes_the_tip(ledger: Ledger) -> None:
    blocks = [await ledger.grow() for _ in range(4)]
    await ledger.apply(safe=blocks[2].header, finalized=blocks[1].header)
    await ledger.apply(finalized=blocks[0].header)
    cursor = await ledger.cursor()
    assert (cursor.finalized, cursor.safe_number) == (ref(blocks[1].header), 3)
    beyond = make_block(ledger.tip)
    await ledger.apply(safe=beyond.header, finalized=beyond.header)
    cursor = await ledger.cursor()
    assert (cursor.finalized, cursor.safe_number) == (ref(blocks[1].header), 4)


async def test_safety_goes_only_with_the_blocks_that_had_it(ledger: Ledger) -> None:
    """A node that knows less takes no milk back; a new block at a safe height is not yet safe."""
    order = await ledger.order("milk", finality=Finality.SAFE)
    first = await ledger.grow()
    paid = await ledger.grow((order.address, DUE, "t1"))
    await ledger.apply(safe=paid.header)
    await ledger.apply(safe=first.header)
    assert await ledger.status(order) is Status.PAID
    assert (await ledger.cursor()).safe_number == paid.header.number
    moved = make_block(first.header, (order.address, DUE, "t1"), branch="b")
    await ledger.apply(moved, make_block(moved.header, branch="b"), fork=first.header)
    assert (await ledger.cursor()).safe_number == first.header.number
    assert await ledger.status(order) is Status.DETECTED
    await ledger.apply(safe=moved.header)
    assert await ledger.status(order) is Status.PAID


async def test_what_is_final_is_never_retracted(ledger: Ledger) -> None:
    order = await ledger.order("milk")
    fork = ledger.tip
    paid = await ledger.grow((order.address, DUE, "t1"))
    await ledger.apply(finalized=paid.header)
    with pytest.raises(FinalityConflictError):
        await ledger.apply(make_block(fork, branch="b"), fork=fork)
    with pytest.raises(FinalityConflictError):
        await ledger.apply(fork=fork)
    assert await ledger.status(order) is Status.SETTLED
    await ledger.require_sound()


async def test_the_anchor_is_final_from_the_start(ledger: Ledger) -> None:
    cursor = await ledger.cursor()
    assert cursor.finalized == cursor.tip == ref(ANCHOR)


async def test_a_branch_that_does_not_link_changes_nothing(ledger: Ledger) -> None:
    stray = make_block(make_block(ledger.tip).header)
    step = Step(expected_tip=ref(ledger.tip), fork=ref(ledger.tip), branch=[stray])
    with pytest.raises(BrokenBranchError):
        async with ledger.connection.transaction():
            await apply_step(ledger.connection, CHAIN_ID, step, now=NOW)
    await ledger.require_sound()


async def test_our_canonical_hashes_can_be_asked_for(ledger: Ledger) -> None:
    block = await ledger.grow()
    assert await read_canonical(ledger.connection, CHAIN_ID, [0, 1, 2]) == {
        0: ANCHOR.hash,
        1: block.header.hash,
    }
