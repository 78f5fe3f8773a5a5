"""Any sequence of steps leaves what a naive model computes from the chain that stands."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from store_world import (
    ANCHOR,
    CHAIN_ID,
    DUE,
    NOW,
    Ledger,
    make_block,
    ref,
)

from ledger import loyalty
from ledger.block import ProvenBlock
from ledger.chain import FinalityConflictError
from ledger.header import Header
from ledger.order import Depths, Finality, Order, Payment, Standing, Status, standing
from ledger.store.cursor import TipMovedError
from ledger.store.journal import read_events_after
from ledger.store.orders import NewOrder
from ledger.store.pool import connect
from ledger.store.switch import Step, apply_step
from ledger.store.tally import read_tally

AMOUNTS = st.sampled_from([0, 4, 6, DUE, DUE + 5])
PAID = {Status.PAID, Status.SETTLED}
CUSTOMERS = (None, b"a" * 32, b"b" * 32)
# The books of refunds, which go with the orders, are kept by triggers even from their owner.
EMPTY = """
SET session_replication_role = replica;
TRUNCATE chain, observation, block, transfer, contract_event, orders, payment, event, evidence,
    loyalty_account, exposure_entry
CASCADE;
SET session_replication_role = origin
"""


@dataclass
class Model:
    """An order as the model sees it: its terms, and what was ever said about it."""

    new: NewOrder
    is_cancelled: bool = False
    was_paid: bool = False
    status: Status = Status.AWAITING_PAYMENT
    told: tuple[str, ...] = ("created",)

    @property
    def order(self) -> Order:
        return Order(
            id=self.new.id,
            amount_due=self.new.amount_due,
            amount_myr=self.new.amount_myr,
            required_finality=self.new.required_finality,
            expires_at=self.new.expires_at,
            is_cancelled=self.is_cancelled,
            was_paid=self.was_paid,
        )


class LedgerMachine(RuleBasedStateMachine):
    """The store on one side; on the other a list of blocks and the pure status function."""

    url = ""
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.blocks: dict[bytes, ProvenBlock] = {}
        self.orders: list[Model] = []
        self.safe = self.final = 0
        self.count = 0

    @initialize()
    def start(self) -> None:
        async def open_empty() -> Ledger:
            connection = await connect(self.url, application_name="test")
            await connection.execute(EMPTY)
            await connection.execute("UPDATE journal SET last_seq = 0")
            ledger = Ledger(connection)
            await ledger.register()
            return ledger

        self.ledger = self.runner.run(open_empty())

    def teardown(self) -> None:
        self.runner.run(self.ledger.connection.close())

    # What can happen.

    @rule(expiry=st.sampled_from([0, 15, 40, 10**6]), finality=st.sampled_from(Finality))
    def make_an_order(self, expiry: int, finality: Finality) -> None:
        name = f"{len(self.orders):04}"
        expires_at = self.ledger.tip.timestamp + expiry
        customer = CUSTOMERS[len(self.orders) % len(CUSTOMERS)]
        coroutine = self.ledger.order(
            name, expires_at=expires_at, finality=finality, customer=customer
        )
        self.orders.append(Model(self.runner.run(coroutine)))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel_an_order(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.orders))
        may = model.status in {Status.AWAITING_PAYMENT, Status.EXPIRED, Status.UNDERPAID}
        assert self.runner.run(self.ledger.cancel(model.new.id)) == may
        if may:
            model.is_cancelled = True
            self.recompute([model])

    @rule(data=st.data(), depth=st.integers(0, 3), length=st.integers(1, 3))
    def follow_a_new_branch(self, data: st.DataObject, depth: int, length: int) -> None:
        """With depth 0 it grows on the tip; else it replaces so many blocks, if it may."""
        fork = self.ledger.chain[-1 - min(depth, len(self.ledger.chain) - 1)]
        branch, parent = [], fork
        for _ in range(length):
            self.count += 1
            paid = self.draw_payments(data)
            seconds = data.draw(st.sampled_from([1, 10, 30]))
            block = make_block(parent, *paid, branch=f"{self.count}", seconds=seconds)
            branch.append(block)
            parent = block.header
        self.switch(fork, branch)

    @precondition(lambda self: len(self.blocks) > len(self.ledger.chain))
    @rule(data=st.data())
    def flip_back_to_a_branch_that_was_left(self, data: st.DataObject) -> None:
        ours = {header.hash for header in self.ledger.chain}
        left = sorted(hash_ for hash_ in self.blocks if hash_ not in ours)
        if not left:
            return
        branch, at = [], data.draw(st.sampled_from(left))
        while at not in ours:
            branch.insert(0, self.blocks[at])
            at = self.blocks[at].header.parent_hash
        fork = next(header for header in self.ledger.chain if header.hash == at)
        self.switch(fork, branch)

    @rule(depth=st.integers(1, 2))
    def step_back(self, depth: int) -> None:
        fork = self.ledger.chain[-1 - min(depth, len(self.ledger.chain) - 1)]
        self.switch(fork, [])

    @rule(data=st.data())
    def learn_depths(self, data: st.DataObject) -> None:
        safe = data.draw(st.sampled_from(self.ledger.chain))
        final = data.draw(st.sampled_from([ANCHOR, safe, *self.ledger.chain[:2]]))
        self.runner.run(self.ledger.apply(safe=safe, finalized=final))
        self.final = max(self.final, final.number)
        self.safe = max(self.safe, safe.number, self.final)
        self.recompute(self.orders)

    @rule()
    def come_too_late(self) -> None:
        """A second leader that still believes in an older tip writes nothing."""
        stale = Header(0, bytes(32), bytes(32), 0, bytes(32), bytes(32))
        step = Step(expected_tip=ref(stale), fork=ref(stale), branch=[make_block(stale)])

        async def write() -> None:
            async with self.ledger.connection.transaction():
                await apply_step(self.ledger.connection, CHAIN_ID, step, now=NOW)

        with pytest.raises(TipMovedError):
            self.runner.run(write())

    # What the model makes of it.

    def draw_payments(self, data: st.DataObject) -> list[tuple[bytes, int, str]]:
        stranger = b"\x77" * 20
        addresses = [stranger, *(model.new.address for model in self.orders[-4:])]
        payment = st.tuples(st.sampled_from(addresses), AMOUNTS, st.sampled_from(["t1", "t2"]))
        return data.draw(st.lists(payment, max_size=3))

    def switch(self, fork: Header, branch: list[ProvenBlock]) -> None:
        if fork.number < self.final:
            with pytest.raises(FinalityConflictError):
                self.runner.run(self.ledger.apply(*branch, fork=fork))
            return
        is_reorganisation = fork.hash != self.ledger.tip.hash
        before = self.covering_blocks()
        self.runner.run(self.ledger.apply(*branch, fork=fork))
        self.blocks |= {block.header.hash: block for block in branch}
        if is_reorganisation:
            self.safe = min(self.safe, fork.number)
        self.recompute(self.orders, before)

    def depths(self) -> Depths:
        tip = self.ledger.tip
        return Depths(tip.number, tip.timestamp, max(self.safe, self.final), self.final)

    def standing_of(self, model: Model) -> Standing:
        return standing(model.order, self.payments_to(model.new.address), self.depths())

    def payments_to(self, address: bytes) -> list[Payment]:
        return [
            Payment(
                header.number,
                header.hash,
                header.timestamp,
                transfer.log_index,
                transfer.tx_hash,
                transfer.amount,
            )
            for header in self.ledger.chain[1:]
            for transfer in self.blocks[header.hash].transfers
            if transfer.recipient == address
        ]

    def covering_blocks(self) -> dict[str, Any]:
        return {model.new.id: self.told_facts(self.standing_of(model)) for model in self.orders}

    def told_facts(self, found: Standing) -> tuple[Any, ...]:
        covering = found.covering.block_hash if found.covering else None
        return found.amount_received, found.amount_owed_back, covering

    def recompute(self, models: list[Model], before: dict[str, Any] | None = None) -> None:
        for model in models:
            found = self.standing_of(model)
            if found.status is not model.status:
                settled_at_once = found.status is Status.SETTLED and not model.was_paid
                model.told += ("paid",) * settled_at_once + (str(found.status),)
            elif before and before[model.new.id] != self.told_facts(found):
                model.told += ("updated",)
            model.status = found.status
            model.was_paid |= found.status in PAID

    # What must be so after each step.

    @invariant()
    def agrees_with_the_model(self) -> None:
        if hasattr(self, "ledger"):
            self.runner.run(self.compare())

    async def compare(self) -> None:
        await self.ledger.require_sound()
        cursor = await self.ledger.cursor()
        assert cursor.depths == self.depths()
        told = defaultdict(list)
        events = await read_events_after(self.ledger.connection, 0, limit=100_000)
        of_orders = [event for event in events if event.type.startswith("order.")]
        for event in of_orders:
            told[event.order_id].append(event.type.removeprefix("order."))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        for model in self.orders:
            found = self.standing_of(model)
            stored = await self.ledger.read(model.new)
            assert (stored.status, stored.amount_received, stored.amount_owed_back) == (
                found.status,
                found.amount_received,
                found.amount_owed_back,
            )
            assert (stored.paid_at is not None) == model.was_paid
            assert tuple(told[model.new.id]) == model.told
            last = max(event.seq for event in of_orders if event.order_id == model.new.id)
            assert stored.version == last
        tally = await read_tally(self.ledger.connection)
        assert sum(tally.by_status.values()) == len(self.orders)
        assert tally.ever_paid == sum(model.was_paid for model in self.orders)


def test_the_store_agrees_with_a_naive_model(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that coupons come and go within so short a history.
    monkeypatch.setattr(loyalty, "POINTS_A_COUPON", 2)
    with asyncio.Runner() as runner:
        LedgerMachine.url, LedgerMachine.runner = ledger_url, runner
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=20,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate,),  # to shrink on a database takes longer than to read
            ),
        )
