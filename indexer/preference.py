"""All nodes as one source of blocks, with one of them asked first."""

from dataclasses import dataclass

from indexer.source import Source
from indexer.sources import Sources
from ledger.block import ProvenBlock
from ledger.header import Header


@dataclass(frozen=True, slots=True)
class Preference:
    """All nodes, but `preferred` is asked first: it announced what will be asked for."""

    sources: Sources
    preferred: Source

    async def block_by_hash(self, block_hash: bytes) -> ProvenBlock:
        """See `Sources.block_by_hash`."""
        return await self.sources.block_by_hash(block_hash, preferred=self.preferred)

    async def block_by_number(self, number: int) -> ProvenBlock:
        """See `Sources.block_by_number`."""
        return await self.sources.block_by_number(number)

    async def header_by_hash(self, block_hash: bytes) -> Header:
        """See `Sources.header_by_hash`."""
        return await self.sources.header_by_hash(block_hash, preferred=self.preferred)

    async def header_by_number(self, number: int) -> Header:
        """See `Sources.header_by_number`."""
        return await self.sources.header_by_number(number, preferred=self.preferred)
