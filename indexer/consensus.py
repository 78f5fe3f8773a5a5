"""What the nodes together say, asked for in the background so that no block waits for it."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from indexer.node import Depth
from indexer.sources import Sources
from ledger.chain import BlockRef
from ledger.errors import TransientError

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
        self, sources: Sources, tip: Callable[[], BlockRef], *, block_time_seconds: float
    ) -> None:
        self.depth = Depth(None, None)
        self.agreeing: list[str] = []
        self.checked_at: datetime | None = None
        self._sources = sources
        self._tip = tip
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
        tip = self._tip()
        holding, others = await self._sources.opinions(tip)
        self.agreeing = sorted(source.name for source in holding)
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
