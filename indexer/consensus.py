"""What the nodes together say, asked for in the background so that no block waits for it."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from indexer import metrics
from indexer.node import Depth
from indexer.quorum import convict_or_halt
from indexer.source import Source
from indexer.sources import PATIENCE_SECONDS, Sources
from ledger.chain import FinalityConflictError
from ledger.errors import TransientError
from ledger.store.cursor import Cursor

log = structlog.get_logger(__name__)

_MIN_INTERVAL_SECONDS = 0.1
_MAX_INTERVAL_SECONDS = 1.0


class Consensus:
    """The depths that a quorum has reached, and who has our tip; both at most a second old.

    Attributes:
        depth: What the quorum calls safe and finalized; nothing before it was asked.
        agreeing: The names of the nodes whose own chain contains our tip.
        checked_at: When they were last asked and at least one answered.
    """

    def __init__(
        self, sources: Sources, cursor: Callable[[], Cursor], *, block_time_seconds: float
    ) -> None:
        self.depth = Depth(None, None)
        self.agreeing: list[str] = []
        self.checked_at: datetime | None = None
        self._sources = sources
        self._cursor = cursor
        self._interval_seconds = min(
            max(block_time_seconds / 2, _MIN_INTERVAL_SECONDS), _MAX_INTERVAL_SECONDS
        )

    async def run(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            started = time.monotonic()
            try:
                await self._ask()
            except TransientError as error:
                log.warning("consensus_unknown", error=str(error))
            spent = time.monotonic() - started
            await asyncio.sleep(max(self._interval_seconds - spent, _MIN_INTERVAL_SECONDS))

    async def _ask(self) -> None:
        tip = self._cursor().tip
        holding, others = await self._sources.opinions(tip)
        self.agreeing = sorted(source.name for source in holding)
        for source in self._sources.all:
            metrics.NODE_AGREES.labels(source.name).set(source in holding)
        if holding or others:
            self.checked_at = datetime.now(UTC)
        if len(holding) < self._sources.required:
            log.warning(
                "nodes_disagree",
                tip=tip.number,
                agreeing=self.agreeing,
                others=sorted(source.name for source in others),
                required=self._sources.required,
            )
        self.depth = await self._sources.depth()
        for source in others if self._sources.required > 1 else ():
            await self._judge(source)

    async def _judge(self, source: Source) -> None:
        """Catch a node that has another chain even where ours is final.

        Here and not where heads are followed, which must not wait for it: a minority's head is
        dropped there unread.

        Raises:
            FinalityConflictError: a quorum of the nodes contradicts the finalized block.
        """
        final = self._cursor().finalized
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                theirs = await source.node.header_by_number(final.number)
                if theirs.hash != final.hash:
                    error = FinalityConflictError(
                        f"{source.name} has another block {final.number} than our finalized one"
                    )
                    await convict_or_halt(self._sources, source, final, error)
        except (TransientError, TimeoutError) as error:
            log.warning("not_judged", source=source.name, error=str(error))
