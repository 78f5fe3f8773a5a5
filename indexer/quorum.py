"""What one node alone cannot make us do: take back blocks, or believe that finality broke."""

import structlog

from indexer.branch import Branch
from indexer.source import Source
from indexer.sources import HEDGE_SECONDS, PATIENCE_SECONDS, Sources
from ledger.chain import BlockRef, FinalityConflictError
from ledger.errors import TransientError
from ledger.json_hex import UnprovenError
from ledger.store.cursor import Cursor

log = structlog.get_logger(__name__)


class StillSyncingError(TransientError):
    """The node is catching up itself; its head says nothing yet."""


async def is_backed(
    sources: Sources, head: BlockRef, *, patience_seconds: float = HEDGE_SECONDS
) -> bool:
    """Whether as many nodes as the quorum wants have this head on their own chain.

    Asked before anything of it is fetched. A proof shows that a block is whole, not that it ever
    was: proof of stake leaves nothing in a header that costs anything, so a single node can hash a
    block of its own onto our tip. A head that is dropped here is announced again by the next node
    that reaches it.
    """
    if sources.required == 1:
        return True
    if head.number > sources.reached_number():
        return False
    heads = [source.health.head for source in sources.all if not source.is_quarantined]
    if heads.count(head) >= sources.required:
        return True
    return await sources.agree_on(head, patience_seconds=patience_seconds)


async def is_held(sources: Sources, block: BlockRef) -> bool:
    """The same of a block of history, for whoever watches no heads and is in no hurry."""
    if sources.required == 1:
        return True
    return await sources.agree_on(block, patience_seconds=PATIENCE_SECONDS)


async def is_confirmed(sources: Sources, branch: Branch, cursor: Cursor) -> bool:
    """Whether a branch may be followed.

    One that grows on our tip takes nothing back; that its head is backed was asked before. One
    that takes blocks back is a matter of fork choice, which no hash proves: as many nodes as the
    quorum wants must have it as their own chain at this moment.
    """
    if branch.fork.hash == cursor.tip.hash:
        return True
    backers, _ = await sources.opinions(branch.first)
    if len(backers) >= sources.required:
        return True
    log.warning(
        "minority_branch",
        fork=branch.fork.number,
        retracts=cursor.tip.number - branch.fork.number,
        backers=sorted(source.name for source in backers),
        required=sources.required,
    )
    return False


async def convict_or_halt(
    sources: Sources, source: Source, finalized: BlockRef, error: FinalityConflictError
) -> None:
    """Judge a head that contradicts what is final.

    A node that is still syncing is only let alone. A minority is caught lying. When as many nodes
    as the quorum wants contradict our finalized block, finality itself broke, or we followed the
    wrong chain: that is for a person to decide.

    Raises:
        StillSyncingError: the node says that it is syncing.
        FinalityConflictError: a quorum of the nodes contradicts the finalized block.
    """
    await halt_if_final_is_gone(sources, source, finalized, error)
    lie = UnprovenError("finality_conflict", str(error))
    lie.details = {
        "finalizedNumber": finalized.number,
        "finalizedHash": f"0x{finalized.hash.hex()}",
    }
    sources.convict(source, lie)


async def halt_if_final_is_gone(
    sources: Sources, source: Source, finalized: BlockRef, error: FinalityConflictError
) -> None:
    """Let pass what fewer nodes than the quorum say against our finalized block.

    Raises:
        StillSyncingError: the node says that it is syncing.
        FinalityConflictError: a quorum of the nodes contradicts the finalized block.
    """
    if await source.node.is_syncing():
        raise StillSyncingError(f"{source.name} is syncing; its head is not taken")
    _, against = await sources.opinions(finalized)
    if len(against) >= sources.required:
        raise error
