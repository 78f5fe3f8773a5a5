"""Finds how an announced head connects to our chain, proving every block on the way."""

from dataclasses import dataclass

from indexer.block_source import BlockSource
from indexer.rpc import NotThereYetError, retrying
from ledger.block import ProvenBlock
from ledger.chain import BlockRef, FinalityConflictError
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection
from ledger.store.switch import is_canonical

MAX_BRANCH_BLOCKS = 1024


@dataclass(frozen=True, slots=True)
class Branch:
    """Proven blocks in order, the first growing on our canonical block `fork`."""

    fork: BlockRef
    blocks: tuple[ProvenBlock, ...]


async def resolve_branch(
    connection: Connection,
    source: BlockSource,
    head: BlockRef,
    cursor: Cursor,
    *,
    chain_id: int,
) -> Branch:
    """Walk back from `head` to the first block that we hold as canonical.

    Nothing is written: a branch is complete and proven before anything is retracted. A head that
    is one of our own blocks gives an empty branch on the tip: a node that lags, or that has gone
    back without a replacement, is no reason to take anything back.

    Raises:
        FinalityConflictError: the walk passed the finalized block without meeting our chain.
        TransientError: a block could not be had, or does not check.
    """
    is_above = head.number > cursor.tip.number
    if not is_above and await is_canonical(connection, chain_id, head.hash):
        return Branch(fork=cursor.tip, blocks=())
    blocks: list[ProvenBlock] = []
    wanted = head.hash
    while True:
        block = await fetch_block(source, wanted)
        blocks.append(block)
        parent = BlockRef(block.header.number - 1, block.header.parent_hash)
        if parent.hash == cursor.tip.hash or await is_canonical(connection, chain_id, parent.hash):
            return Branch(fork=parent, blocks=tuple(reversed(blocks)))
        if parent.number <= cursor.finalized.number or len(blocks) >= MAX_BRANCH_BLOCKS:
            raise FinalityConflictError(
                f"block {head.number} (0x{head.hash.hex()}) does not descend from our finalized "
                f"block {cursor.finalized.number} (0x{cursor.finalized.hash.hex()})"
            )
        wanted = parent.hash


async def fetch_block(source: BlockSource, block_hash: bytes) -> ProvenBlock:
    """A proven block, asked for again while it is not there or the answer is wrong."""
    async for attempt in retrying():
        with attempt:
            return await source.block_by_hash(block_hash)
    raise NotThereYetError(f"block 0x{block_hash.hex()} could not be fetched")
