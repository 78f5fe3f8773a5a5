"""Where we stand on the chain and what a verified branch means for it: a pure decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import CorruptError


class Link(Protocol):
    """Anything that stands in the chain as one block."""

    @property
    def number(self) -> int: ...

    @property
    def hash(self) -> bytes: ...

    @property
    def parent_hash(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block by number and 32-byte hash."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Switch:
    """Retract everything above `fork`, then advance over the branch."""

    fork: BlockRef
    retracted_count: int


class FinalityConflictError(CorruptError):
    """The nodes' chain contradicts a block that was already final; a person has to look."""


class BrokenBranchError(CorruptError):
    """A branch whose blocks do not link; the caller built it wrongly."""


def decide_switch(
    *, tip: BlockRef, finalized: BlockRef, fork: BlockRef, branch: Sequence[Link]
) -> Switch:
    """What to do with a proven branch that grows on our canonical block `fork`.

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
    return Switch(fork=fork, retracted_count=tip.number - fork.number)
