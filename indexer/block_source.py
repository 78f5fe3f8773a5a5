"""Where proven blocks come from: one node, or several behind the same questions."""

from typing import Protocol

from ledger.block import ProvenBlock
from ledger.header import Header


class BlockSource(Protocol):
    """Answers with proven blocks, or raises a TransientError; `Node` and `Sources` are such."""

    async def block_by_hash(self, block_hash: bytes) -> ProvenBlock:
        """The proven block of this 32-byte hash."""

    async def block_by_number(self, number: int) -> ProvenBlock:
        """The proven block at a height of the node's chain."""

    async def header_by_hash(self, block_hash: bytes) -> Header:
        """The proven header of this 32-byte hash."""

    async def header_by_number(self, number: int) -> Header:
        """The proven header at a height of the node's chain."""
