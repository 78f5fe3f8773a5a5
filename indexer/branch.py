"""Finds how an announced head connects to our chain, proving every block on the way."""

from dataclasses import dataclass

import structlog

from indexer.block_source import BlockSource
from indexer.block_spool import BlockSpool
from indexer.fetch import fetch_block, fetch_hashes, fetch_header, in_batches
from ledger.block import ProvenBlock
from ledger.chain import BlockRef, BrokenBranchError, FinalityConflictError
from ledger.header import Header
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection
from ledger.store.switch import is_canonical

log = structlog.get_logger(__name__)

HELD_BLOCKS = 128
"""How many of a branch's newest blocks are held as they are; the ones below are put aside."""

_BATCH_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class Branch:
    """Proven blocks in order, the first growing on our canonical block `fork`.

    `blocks` are the newest, and all of them unless the branch is so long that the ones below were
    put aside in `below`. Whoever resolves a branch closes it.
    """

    fork: BlockRef
    blocks: tuple[ProvenBlock, ...]
    below: BlockSpool | None = None

    @property
    def count(self) -> int:
        """How many blocks it has."""
        return len(self.blocks) + (self.below.count if self.below else 0)

    @property
    def first(self) -> BlockRef:
        """Its oldest block; an empty branch has none."""
        batches = self.below.batches() if self.below else iter([self.blocks])
        return _ref(next(batches)[0].header)

    def close(self) -> None:
        """Let go of what was put aside."""
        if self.below:
            self.below.close()


async def resolve_branch(
    connection: Connection,
    source: BlockSource,
    head: BlockRef,
    cursor: Cursor,
    *,
    chain_id: int,
    concurrency: int,
) -> Branch:
    """Walk back from `head` to the first block that we hold as canonical, however far that is.

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
    walk = _Walk(connection, cursor, chain_id, head)
    blocks = await _hold_newest(source, walk)
    hashes = await _list_hashes(source, walk)
    if not hashes:
        return Branch(walk.at, blocks)
    log.warning("long_branch", head=head.number, fork=walk.at.number)
    return Branch(walk.at, blocks, await _put_aside(source, hashes, concurrency))


class _Walk:
    """The way from a head down its chain; every step is to the parent that the last one names."""

    def __init__(
        self, connection: Connection, cursor: Cursor, chain_id: int, head: BlockRef
    ) -> None:
        self._connection = connection
        self._cursor = cursor
        self._chain_id = chain_id
        self._head = head
        self.at = head
        self.has_arrived = False

    async def go_below(self, header: Header) -> None:
        """Go on to the parent of the block it stands at, whose header this is."""
        if _ref(header) != self.at:
            # Made up, or announced as another: its heights would bound no walk.
            raise BrokenBranchError(f"block {header.number} is not the block {self.at.number}")
        self.at = BlockRef(header.number - 1, header.parent_hash)
        self.has_arrived = self.at.hash == self._cursor.tip.hash or bool(
            await is_canonical(self._connection, self._chain_id, self.at.hash)
        )
        final = self._cursor.finalized
        if not self.has_arrived and self.at.number <= final.number:
            raise FinalityConflictError(
                f"block {self._head.number} (0x{self._head.hash.hex()}) does not descend from our "
                f"finalized block {final.number} (0x{final.hash.hex()})"
            )


async def _hold_newest(source: BlockSource, walk: _Walk) -> tuple[ProvenBlock, ...]:
    blocks: list[ProvenBlock] = []
    while len(blocks) < HELD_BLOCKS and not walk.has_arrived:
        blocks.append(await fetch_block(source, walk.at.hash))
        await walk.go_below(blocks[-1].header)
    return tuple(reversed(blocks))


async def _list_hashes(source: BlockSource, walk: _Walk) -> list[bytes]:
    """The hashes of the blocks further down, oldest first: all that is kept of their headers."""
    hashes: list[bytes] = []
    while not walk.has_arrived:
        hashes.append(walk.at.hash)
        await walk.go_below(await fetch_header(source, walk.at.hash))
    return hashes[::-1]


async def _put_aside(source: BlockSource, hashes: list[bytes], concurrency: int) -> BlockSpool:
    """Fetch and prove the blocks of these hashes, oldest first."""
    spool = BlockSpool()
    blocks = fetch_hashes(source, hashes, concurrency=concurrency)
    try:
        async for batch in in_batches(blocks, _BATCH_BLOCKS):
            spool.put(batch)
    except BaseException:
        spool.close()
        raise
    return spool


def _ref(header: Header) -> BlockRef:
    return BlockRef(header.number, header.hash)
