"""A random history of a chain, its orders and its node's faults, all out of one seed."""

# ruff: noqa: S311 - a seed must give the same history again

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from naive_ledger import NaiveOrder

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.bloom import BloomKind
from devnet.faulty_node.drafts import Draft, LogDraft, lookalike_logs
from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.switches import FaultSwitches

BILL = 10**18

# Faults under which an indexer has to carry on; the others make it stop, and have their own tests.
FAULTS = (
    *("lagging_node_null", "lagging_node_empty", "syncing_node", "flipping_head"),
    *("pruned_history", "unknown_hash_empty", "head_before_receipts"),
    *("receipts_of_another_block", "another_block", "truncated_results", "receipts_wrong"),
    *("forged_transfer", "wrong_header", "duplicate_log_index", "missing_log_index"),
    *("removed_log", "wrong_transaction_hash", "reorg_during_fetch", "rate_limited"),
    *("connection_reset", "slow_answer", "http_500", "invalid_json", "error_object"),
    *("huge_answer", "receipts_by_height_only"),
)
# Under these one node of several is outvoted, while a lone node would have to be believed.
MINORITY_FAULTS = ("fake_deep_reorg", "reorg_past_what_we_keep", "finality_overstated")
_DUES = (BILL, BILL, 2 * BILL, 3)
CUSTOMERS = (b"\x0a" * 32, b"\x0a" * 32, b"\x0b" * 32, None)
_LIVES_SECONDS = (0, 11, 24, 60, 300, 100_000)
_BLOCK_SECONDS = (12, 12, 12, 12, 1, 60, 400)
_LONG_CATCH_UP = 45


@dataclass
class History:
    """One chain's life. The random numbers of chain, faults and choices are drawn apart."""

    seed: int
    random: Random = field(init=False)
    nodes: list[FaultyNode] = field(init=False)
    coupons: Random = field(init=False)
    orders: list[NaiveOrder] = field(default_factory=list)
    declared: dict[str, set[bytes]] = field(init=False)
    _pool: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(f"choices {self.seed}")
        self.coupons = Random(f"coupons {self.seed}")
        kinds = (BloomKind.TRUE, BloomKind.TRUE, BloomKind.ALL_ONES, BloomKind.ZEROS)
        model = ChainModel(Random(f"chain {self.seed}"), bloom_kind=self.random.choice(kinds))
        self.nodes = [
            FaultyNode(model, FaultSwitches(f"{self.seed} {number}"))
            for number in range(self.random.choice((1, 1, 3)))
        ]
        self.declared = {"safe": {model.safe.hash}, "finalized": {model.finalized.hash}}

    @property
    def model(self) -> ChainModel:
        return self.nodes[0].model

    def mine(self) -> None:
        self.model.mine(self._contents(), seconds=self.random.choice(_BLOCK_SECONDS))

    def mine_many(self) -> None:
        """So many blocks that an indexer catches up in batches."""
        for _ in range(_LONG_CATCH_UP):
            self.model.mine(self._contents() if self.random.random() < 1 / 4 else ())

    def reorg(self) -> None:
        """Replace a few blocks; what they held comes again, elsewhere, later or never."""
        deepest = self.model.head.number - self.model.finalized.number
        if deepest < 1:
            return
        depth = min(deepest, self.random.choice((1, 1, 2, 3, 5, deepest)))
        doomed = self._newest(depth)
        self._pool += [draft for block in doomed for draft in block.drafts]
        length = max(1, depth + self.random.choice((-1, 0, 0, 1, 1, 2)))
        is_empty = self.random.random() < 1 / 6
        contents = [() if is_empty else self._contents() for _ in range(length)]
        self.model.reorg(depth, contents, seconds=self.random.choice(_BLOCK_SECONDS))

    def flip(self) -> None:
        """Go to any other branch that still descends from what is final, or back down."""
        final = self.model.finalized
        known = [block for block in self.model.blocks.values() if block.number > final.number]
        heads = [block for block in known if self._descends(block, final)]
        if heads:
            self.model.switch_to(self.random.choice(heads[-12:]))

    def declare(self) -> None:
        """Let finality move up; `safe` also falls back now and then, as it may."""
        model = self.model
        top = model.head.number
        finalized = model.finalized.number
        if self.random.random() < 1 / 2:
            finalized = self.random.randint(finalized, max(finalized, top - 2))
        safe = self.random.choice((finalized, top, self.random.randint(finalized, top)))
        model.declare(safe=safe, finalized=finalized)
        self.declared["safe"].add(model.safe.hash)
        self.declared["finalized"].add(model.finalized.hash)

    def repair_depths(self) -> None:
        """After a reorganisation a node names safe and finalized blocks of the new chain."""
        model = self.model
        if not model.is_canonical(model.safe.hash, model.safe.number):
            model.declare(safe=model.finalized.number, finalized=model.finalized.number)
            self.declared["safe"].add(model.safe.hash)

    def new_order(self) -> NaiveOrder:
        """An order that is known to the wallets from now on."""
        number = len(self.orders)
        order = NaiveOrder(
            id=f"ord_{number:04}",
            address=self.random.randbytes(20),
            due=self.random.choice(_DUES),
            finality=self.random.choice(("included", "included", "safe", "finalized")),
            expires_at=self.model.head.timestamp + self.random.choice(_LIVES_SECONDS),
            customer=CUSTOMERS[number % len(CUSTOMERS)],
        )
        self.orders.append(order)
        return order

    def change_faults(self) -> None:
        """Of several nodes the last one stays honest, or nothing could ever be agreed on."""
        number = self.random.randrange(max(len(self.nodes) - 1, 1))
        faults = self.nodes[number].faults
        if faults.names() and self.random.random() < 1 / 2:
            faults.clear()
            return
        is_outvoted = number == 0 and len(self.nodes) > 1 and self.random.random() < 1 / 3
        name = self.random.choice(MINORITY_FAULTS if is_outvoted else FAULTS)
        faults.turn_on(
            name,
            probability=self.random.choice((0.05, 0.2, 0.5, 1.0)),
            amount=self.random.choice((1, 2, 6)),
        )

    def begin_stage(self, stage: int) -> None:
        for node in self.nodes:
            node.faults.begin_stage(stage)

    def end_faults(self) -> None:
        for node in self.nodes:
            node.faults.clear()

    def injected(self) -> Counter[str]:
        return sum((node.faults.injected for node in self.nodes), Counter())

    def _contents(self) -> Sequence[Draft]:
        again = [draft for draft in self._pool if self.random.random() < 1 / 2]
        chain = {draft.hash for block in self._newest(16) for draft in block.drafts}
        again = [draft for draft in again if draft.hash not in chain]
        self._pool = [draft for draft in self._pool if draft not in again]
        fresh = [self._draft() for _ in range(self.random.choice((0, 1, 1, 2, 3)))]
        drafts = [*again, *fresh]
        self.random.shuffle(drafts)
        return drafts

    def _draft(self) -> Draft:
        logs: list[LogDraft] = []
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 4))):
            logs += self._logs()
        return self.model.draft(logs, kind=self.random.choice((0, 2)))

    def _logs(self) -> Sequence[LogDraft]:
        sender = self.random.choice(self.model.wallets)
        recipient, amount = self._payee()
        if self.random.random() < 1 / 6:
            deceptive = lookalike_logs(self.model.deployment.token, sender, recipient, amount)
            return [self.random.choice(deceptive)]
        return [self.model.transfer(sender, recipient, amount)]

    def _payee(self) -> tuple[bytes, int]:
        if self.orders and self.random.random() < 4 / 5:
            order = self.random.choice(self.orders[-4:])
            due = order.due
            return order.address, self.random.choice((due, due, due // 2, due - 1, 2 * due, 0))
        deployment = self.model.deployment
        strangers = (deployment.treasury, deployment.token, self.random.randbytes(20))
        return self.random.choice(strangers), self.random.choice((BILL, 0, 2**255))

    def _newest(self, count: int) -> list[ModelBlock]:
        head = self.model.head.number
        found = [self.model.at(number) for number in range(max(head - count + 1, 0), head + 1)]
        return [block for block in found if block is not None]

    def _descends(self, block: ModelBlock, ancestor: ModelBlock) -> bool:
        while block.number > ancestor.number:
            block = self.model.blocks[block.parent_hash]
        return block.hash == ancestor.hash
