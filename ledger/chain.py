"""Where we stand on the chain, and what a proven branch means for it: a pure decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import CorruptError, TransientError
from ledger.header import Header


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block by number and 32-byte hash."""

    number: int
    hash: bytes


class FinalityConflictError(CorruptError):
    """The nodes' chain contradicts a block that was already final; a person has to look."""


class BrokenBranchError(TransientError):
    """A branch whose blocks do not link: answers from before and after a change of the chain."""


def check_switch(
    *, tip: BlockRef, finalized: BlockRef, fork: BlockRef, branch: Sequence[Header]
) -> int:
    """How many of our blocks a proven branch on our canonical block `fork` replaces.

    `branch` holds the new blocks in order, the first one's parent being `fork`. A branch that
    grows on the tip retracts nothing.

    Raises:
        BrokenBranchError: the blocks do not link.
        FinalityConflictError: `fork` lies below the finalized block.
    """
    parent = fork
    for block in branch:
        if block.parent_hash != parent.hash or block.number != parent.number + 1:
            raise BrokenBranchError(f"block {block.number} does not grow on {parent.number}")
        parent = BlockRef(block.number, block.hash)
    if fork.number < finalized.number:
        raise FinalityConflictError(
            f"a branch leaves our chain at block {fork.number}, but block {finalized.number} "
            "is finalized"
        )
    return tip.number - fork.number
