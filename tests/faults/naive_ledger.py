"""The ledger as DESIGN.md describes it, recomputed from genesis each time, by rules of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from naive_loyalty import NaiveLoyalty
from witness import Sighting

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import ChainModel


@dataclass(frozen=True, slots=True)
class NaiveOrder:
    """What a till asked for, and what became of it."""

    id: str
    address: bytes
    due: int
    finality: str
    expires_at: int
    status: str = "awaiting_payment"
    received: int = 0
    owed_back: int = 0
    covering_block: tuple[int, bytes] | None = None
    was_paid: bool = False
    is_cancelled: bool = False
    customer: bytes | None = None


@dataclass(frozen=True, slots=True)
class NaivePayment:
    """A transfer to an order address in the chain's order; `at` is its block's time."""

    block: int
    block_hash: bytes
    at: int
    amount: int


@dataclass
class NaiveLedger:
    """Everything that a ledger must hold after a list of committed changes.

    `asked_for` are the orders as they were written; they exist from the sighting on that tells
    of their creation.
    """

    model: ChainModel
    asked_for: dict[str, NaiveOrder] = field(default_factory=dict)
    orders: dict[str, NaiveOrder] = field(default_factory=dict)
    journal: list[tuple[str, str, str | int]] = field(default_factory=list)
    loyalty: NaiveLoyalty = field(default_factory=lambda: NaiveLoyalty(price=5))
    chain: list[ModelBlock] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What no commit may ever do, and one did."""
    safe_number: int = 0
    finalized_number: int = 0
    seen: int = 0

    def fold(self, sightings: Iterable[Sighting]) -> None:
        for sighting in sightings:
            self.seen = sighting.n
            if sighting.tip_hash is not None:
                self._move(path_to(self.model, sighting.tip_hash))
                self.safe_number = sighting.safe_number or 0
                self.finalized_number = sighting.finalized_number or 0
                self._recompute(sorted(self.orders))
            elif sighting.kind == "created" and sighting.order_id is not None:
                order = self.asked_for[sighting.order_id]
                self.orders[order.id] = order
                self.journal.append(("order.created", order.id, order.status))
            elif sighting.customer is not None:
                told = self.loyalty.use(sighting.customer, sighting.coupon_number or 0)
                if told is None:
                    self.faults.append(f"coupon {sighting.coupon_number} could be used, wrongly")
                else:
                    self.journal.append(told)
            elif sighting.order_id is not None:
                order = self.orders[sighting.order_id]
                self.orders[order.id] = replace(order, is_cancelled=True)
                self._recompute([order.id])

    def _move(self, chain: list[ModelBlock]) -> None:
        """A proof shows that a block is whole, not that it is the chain's: that takes several."""
        alone = [block.number for block in chain if block.hash in self.model.lone_blocks]
        if alone:
            self.faults.append(f"block {alone[0]} was taken in on a lone node's word")
        self.chain = chain

    def _recompute(self, order_ids: Sequence[str]) -> None:
        payments = self._payments()
        for order_id in order_ids:
            before = self.orders[order_id]
            after = self._judged(before, payments.get(before.address, []))
            self.orders[order_id] = after
            if after == before:
                continue
            if after.status == "settled" and not before.was_paid:
                self.journal.append(("order.paid", order_id, after.status))
            changed = after.status != before.status
            kind = f"order.{after.status}" if changed else "order.updated"
            self.journal.append((kind, order_id, after.status))
        paid = {
            order.id: order.customer
            for order in self.orders.values()
            if order.customer is not None and order.status in {"paid", "settled"}
        }
        self.journal += self.loyalty.recompute(paid)

    def _payments(self) -> dict[bytes, list[NaivePayment]]:
        found: dict[bytes, list[NaivePayment]] = {}
        for block in self.chain:
            for transfer in block.transfers():
                found.setdefault(transfer.movement.recipient, []).append(
                    NaivePayment(
                        block.number, block.hash, block.timestamp, transfer.movement.amount
                    )
                )
        return found

    def _judged(self, order: NaiveOrder, payments: Sequence[NaivePayment]) -> NaiveOrder:
        total = sum(payment.amount for payment in payments)
        timely = [item for item in payments if order.was_paid or item.at <= order.expires_at]
        covering = None if order.is_cancelled else _covering(order.due, timely)
        has_some = any(payment.amount > 0 for payment in timely)
        is_over = self.chain[-1].timestamp > order.expires_at
        status = self._status(order, covering, total, has_some=has_some, is_over=is_over)
        if status in {"paid", "settled", "detected", "awaiting_payment"} or (
            status == "underpaid" and not is_over
        ):
            owed_back = max(total - order.due, 0)
        else:
            owed_back = total
        return replace(
            order,
            status=status,
            received=total,
            owed_back=owed_back,
            covering_block=None if covering is None else (covering.block, covering.block_hash),
            was_paid=order.was_paid or status in {"paid", "settled"},
        )

    def _status(
        self,
        order: NaiveOrder,
        covering: NaivePayment | None,
        total: int,
        *,
        has_some: bool,
        is_over: bool,
    ) -> str:
        if order.is_cancelled:
            return "cancelled"
        if covering is not None:
            if covering.block <= self.finalized_number:
                return "settled"
            deep_enough = {"included": self.chain[-1].number, "safe": self.safe_number}
            return "paid" if covering.block <= deep_enough.get(order.finality, -1) else "detected"
        if order.was_paid:
            return "reversed"
        if total >= order.due:
            return "paid_late"
        if has_some:
            return "underpaid"
        return "expired" if is_over else "awaiting_payment"


def path_to(model: ChainModel, tip_hash: bytes) -> list[ModelBlock]:
    """The blocks from genesis to a tip; a tip that nobody ever made is a KeyError."""
    path = [made(model, tip_hash)]
    while path[-1].number:
        path.append(made(model, path[-1].parent_hash))
    return path[::-1]


def made(model: ChainModel, block_hash: bytes) -> ModelBlock:
    """A block that the chain, or a lone node, has made."""
    return model.blocks.get(block_hash) or model.lone_blocks[block_hash]


def _covering(due: int, timely: Sequence[NaivePayment]) -> NaivePayment | None:
    received = 0
    for payment in timely:
        received += payment.amount
        if received >= due:
            return payment
    return None
