"""Which chain a node believes in: all of the model's, or what a fault leaves of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.model import ChainModel

HISTORY_PRUNED = 4444  # EIP-4444's error number


class RpcRefusal(Exception):  # noqa: N818 - an answer of the protocol, not a failure of ours
    """A JSON-RPC error object to answer with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class View:
    """A node's head and what it can tell of the blocks around it."""

    model: ChainModel
    head: ModelBlock
    safe: ModelBlock
    finalized: ModelBlock
    newest_number: int | None = None
    """Blocks above this height have not arrived at the node; None: all have."""
    lacks_as_empty: bool = False
    """Receipts and logs that are missing come as [] instead of null."""
    takes_no_hash: bool = False
    """Receipts can be had by the block's height only; by its hash they are null."""
    pruned_below: int = 0
    is_syncing: bool = False
    own_blocks: Mapping[bytes, ModelBlock] = field(default_factory=dict)
    """Blocks that only this node has ever seen."""

    def by_hash(self, block_hash: bytes) -> ModelBlock | None:
        """A block by hash, on whatever branch."""
        return self._shown(self.own_blocks.get(block_hash) or self.model.blocks.get(block_hash))

    def at(self, number: int) -> ModelBlock | None:
        """The block of a height on the way to the head."""
        if number > self.head.number:
            return None
        block: ModelBlock | None = self.head
        while block is not None and block.number > number:
            if self.model.is_canonical(block.hash, block.number):
                return self._shown(self.model.at(number))
            block = self.own_blocks.get(block.parent_hash) or self.model.blocks.get(
                block.parent_hash
            )
        return self._shown(block)

    def behind(self, count: int) -> "View":
        """The view of a node that is `count` blocks behind."""
        head = self.model.at(max(self.head.number - count, 0)) or self.head
        return replace(
            self,
            head=head,
            safe=_lower(self.safe, head),
            finalized=_lower(self.finalized, head),
            newest_number=head.number,
        )

    def _shown(self, block: ModelBlock | None) -> ModelBlock | None:
        if block is None:
            return None
        if self.newest_number is not None and block.number > self.newest_number:
            return None
        if block.number < self.pruned_below:
            raise RpcRefusal(HISTORY_PRUNED, "pruned history unavailable")
        return block


def honest_view(model: ChainModel) -> View:
    """What a node without faults knows."""
    return View(model, model.head, model.safe, model.finalized)


def _lower(block: ModelBlock, limit: ModelBlock) -> ModelBlock:
    return block if block.number <= limit.number else limit
