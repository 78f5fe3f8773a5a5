"""Takes history from one node after the other, until one tells what a quorum of them has."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

import structlog

from indexer.backfill import Progress, backfill_until
from indexer.backfill_worker import RangeTask
from indexer.quorum import is_held
from indexer.ranges_ahead import WorkersDiedError
from indexer.source import Source
from indexer.sources import NodesDisagreeError, Sources
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.json_hex import UnprovenError
from ledger.store.cursor import Cursor, TipMovedError, read_registered_cursor
from ledger.store.evidence import record_evidence
from ledger.store.pool import Connection

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HistoryNodes:
    """All nodes: some tell the ranges, all are asked about their ends.

    `final_number` is the height below which another block than the quorum's is no reorganisation.
    """

    sources: Sources
    final_number: int

    def tellers(self) -> list[Source]:
        """Those that batches can be asked of, in the order of the settings, the unsound last."""
        by_http = [one for one in self.sources.all if one.node.rpc.url.startswith("http")]
        return sorted(by_http, key=lambda one: (one.is_quarantined, one.health.errors_in_a_row))

    async def hold(self, block: BlockRef, *, told_by: Source) -> bool:
        """Whether a quorum has this block; who alone tells another final one is convicted."""
        if await is_held(self.sources, block):
            return True
        if block.number <= self.final_number:
            _, others = await self.sources.opinions(block)
            if len(others) >= self.sources.required:
                lie = f"a quorum has another block {block.number}, which is final"
                self.sources.convict(told_by, UnprovenError("history_conflict", lie))
        return False


async def backfill_from_any(
    connection: Connection,
    executor: Executor,
    nodes: HistoryNodes,
    *,
    task: RangeTask,
    workers: int,
    progress: Callable[[Progress], None],
) -> Cursor:
    """Apply the blocks up to `task.last`, each range's last one held by a quorum.

    A node that fails, lies or is alone with its history makes room for the next, which goes on
    where the ledger then stands; `progress` tells of one node's share.

    Raises:
        TipMovedError, WorkersDiedError: no other node would change that.
        TransientError: none has told all; that too few have what was told, if that is why.
    """
    failures: list[TransientError] = []
    for source in nodes.tellers():
        try:
            return await backfill_until(
                connection,
                executor,
                await read_registered_cursor(connection, task.chain_id),
                task=replace(task, node_url=source.node.rpc.url),
                workers=workers,
                is_backed=partial(nodes.hold, told_by=source),
                progress=progress,
            )
        except (TipMovedError, WorkersDiedError):
            raise
        except TransientError as error:
            if isinstance(error, UnprovenError):
                nodes.sources.convict(source, error)
            log.warning("history_not_told", source=source.name, error=str(error))
            failures.append(error)
        finally:
            await record_evidence(connection, task.chain_id, nodes.sources.take_evidence())
    disagreements = (one for one in failures if isinstance(one, NodesDisagreeError))
    raise next(disagreements, failures[-1])
