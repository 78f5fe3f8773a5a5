"""Lets a leader that is far behind take in history with several processes before it follows."""

import time

import structlog

from indexer.backfill import DEFAULT_WORKERS, Progress, backfill_until, process_pool
from indexer.backfill_worker import RangeTask
from indexer.quorum import is_backed
from indexer.rpc import RpcClient
from indexer.sources import PATIENCE_SECONDS, NodesDisagreeError, Sources
from ledger.chain import BlockRef
from ledger.json_hex import UnprovenError
from ledger.store.cursor import Cursor
from ledger.store.pool import Connection
from ledger.verification import Verification

log = structlog.get_logger(__name__)

LONG_WAY_BLOCKS = 2_000
"""Below this, starting processes costs more than it saves."""

_LOG_INTERVAL_SECONDS = 5.0


def is_long_way(cursor: Cursor, head: BlockRef, sources: Sources) -> bool:
    """Whether there is so much history ahead that it is worth processes of its own."""
    return (
        head.number - cursor.tip.number > LONG_WAY_BLOCKS
        and sources.verification is Verification.FULL
        and all(isinstance(source.node.rpc, RpcClient) for source in sources.all)
    )


async def take_in_history(
    connection: Connection, sources: Sources, cursor: Cursor, *, chain_id: int, until: BlockRef
) -> Cursor:
    """Apply history up to the final block `until`, every block proven; the follower goes on.

    The ranges come from one node that has that block and speaks HTTP; without one nothing is done,
    and the follower takes block by block. The quorum is asked about each range's end, and a node
    that told another history is convicted.

    Raises:
        TransientError: a range could not be had, or the tip is not on the node's chain.
    """
    holding, _ = await sources.opinions(until)
    holding = [one for one in holding if one.node.rpc.url.startswith("http")]
    if until.number <= cursor.tip.number or not holding:
        return cursor
    best = min(holding, key=lambda source: source.rank())
    task = RangeTask(
        node_url=best.node.rpc.url,
        chain_id=chain_id,
        token=best.node.token,
        first=cursor.tip.number + 1,
        last=until.number,
        events=best.node.events,
    )
    try:
        with process_pool(DEFAULT_WORKERS) as pool:
            return await backfill_until(
                connection,
                pool,
                cursor,
                task=task,
                workers=DEFAULT_WORKERS,
                is_backed=lambda block: is_backed(
                    sources, block, patience_seconds=PATIENCE_SECONDS
                ),
                progress=_Told(),
            )
    except NodesDisagreeError as error:
        sources.convict(best, UnprovenError("history_conflict", str(error)))
        raise


class _Told:
    """Logs how far it has come, now and then."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        is_done = progress.blocks_done == progress.blocks_total
        if not is_done and time.monotonic() - self._told_at < _LOG_INTERVAL_SECONDS:
            return
        self._told_at = time.monotonic()
        rate = progress.blocks_done / max(progress.seconds, 1e-9)
        left = progress.blocks_total - progress.blocks_done
        log.info(
            "taking_in_history",
            tip=progress.cursor.tip.number,
            blocks_left=left,
            blocks_per_second=round(rate),
            eta_seconds=round(left / max(rate, 1e-9)),
        )
