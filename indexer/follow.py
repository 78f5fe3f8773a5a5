"""Follows the chain: one announced head after the other becomes one block transaction."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from indexer import metrics
from indexer.branch import Branch, resolve_branch
from indexer.catch_up import catch_up
from indexer.consensus import Consensus
from indexer.heads import Announcement, Heads
from indexer.history import is_long_way, take_in_history
from indexer.preference import Preference
from indexer.quorum import convict_or_halt, halt_if_final_is_gone, is_backed, is_confirmed
from indexer.sources import PATIENCE_SECONDS, NodesDisagreeError, Sources
from ledger.chain import BlockRef, BrokenBranchError, FinalityConflictError
from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.store.cursor import Cursor, TipMovedError, read_cursor
from ledger.store.evidence import record_evidence
from ledger.store.observation import record_observation
from ledger.store.pool import Connection
from ledger.store.switch import Outcome, Step, apply_step, read_canonical

log = structlog.get_logger(__name__)

# Further behind than this, history is applied in batches before single heads are followed.
CATCH_UP_DISTANCE_BLOCKS = 32
_HEARTBEAT_SECONDS = 1.0
_RETRY_SECONDS = 0.2


class Follower:
    """The leader's loop; it alone writes, on the connection that holds the leader's lock."""

    def __init__(
        self,
        connection: Connection,
        sources: Sources,
        heads: Heads,
        cursor: Cursor,
        *,
        chain_id: int,
        block_time_seconds: float,
        catch_up_concurrency: int,
    ) -> None:
        self._connection = connection
        self._sources = sources
        self._heads = heads
        self._cursor = cursor
        self._chain_id = chain_id
        self._concurrency = catch_up_concurrency
        self._observed_at = 0.0
        self._consensus = Consensus(
            sources, lambda: self._cursor, block_time_seconds=block_time_seconds
        )

    async def run(self) -> None:
        """Follow until cancelled or until something is corrupt.

        Raises:
            CorruptError: the chain contradicts what is final; a person has to look.
        """
        asking = asyncio.create_task(self._consensus.run())
        try:
            await self._follow(asking)
        finally:
            asking.cancel()

    async def _follow(self, asking: "asyncio.Task[None]") -> None:
        while True:
            if asking.done():
                asking.result()
            announcement = await self._next()
            try:
                if announcement is None:
                    self._look_again()
                    await self._deepen()
                else:
                    await self._advance(announcement)
            except TipMovedError:
                self._cursor = await self._read_cursor()
                self._try_again(announcement)
            except TransientError as error:
                log.warning("head_not_applied", error=str(error), code=getattr(error, "code", None))
                await asyncio.sleep(_RETRY_SECONDS)
                self._try_again(announcement)
            await self._observe()

    async def _next(self) -> Announcement | None:
        """The next head, or None when there has been none for a heartbeat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT_SECONDS):
                return await self._heads.next()
        return None

    def _try_again(self, announcement: Announcement | None) -> None:
        if announcement is not None:
            self._heads.put(announcement)

    def _look_again(self) -> None:
        """While too few nodes have our tip, consider every node's head once more.

        A branch that too few backed when its head was told is dropped; by now more may have it.
        """
        if len(self._consensus.agreeing) >= self._sources.required:
            return
        for source in self._sources.all:
            if source.health.head is not None:
                self._heads.put(Announcement(source.health.head, source, time.monotonic()))

    async def _advance(self, announcement: Announcement) -> None:
        head, source = announcement.head, announcement.source
        if source.is_quarantined or not await is_backed(self._sources, head):
            return
        if head.number - self._cursor.tip.number > CATCH_UP_DISTANCE_BLOCKS:
            await self._leave_stale_tip(announcement)
            await self._catch_up(head)
        try:
            await self._switch(announcement)
        except FinalityConflictError as error:
            await convict_or_halt(self._sources, source, self._cursor.finalized, error)

    async def _switch(self, announcement: Announcement) -> bool:
        """Follow a head from wherever it leaves our chain; False where too few have its branch."""
        branch = await resolve_branch(
            self._connection,
            Preference(self._sources, announcement.source),
            announcement.head,
            self._cursor,
            chain_id=self._chain_id,
            concurrency=self._concurrency,
        )
        with contextlib.closing(branch):
            if branch.count:
                if not await is_confirmed(self._sources, branch, self._cursor):
                    return False
                _tell(await self._apply(branch), branch, announcement)
        return True

    async def _leave_stale_tip(self, announcement: Announcement) -> None:
        """Before growing towards a far head, stand on its chain: no lower than we stood before.

        Catching up writes in batches, of which only the first would be there when a node breaks
        off. So it only grows, and what takes blocks back is one switch, to a block above our tip.
        """
        source, tip = announcement.source, self._cursor.tip
        nodes = Preference(self._sources, source)
        if (await nodes.header_by_number(tip.number)).hash == tip.hash:
            return
        header = await nodes.header_by_number(tip.number + 1)
        above = BlockRef(header.number, header.hash)
        if not await is_backed(self._sources, above, patience_seconds=PATIENCE_SECONDS):
            raise NodesDisagreeError(f"too few nodes have block {above.number} as it was told us")
        try:
            is_followed = await self._switch(replace(announcement, head=above))
        except FinalityConflictError as error:
            final = self._cursor.finalized
            await halt_if_final_is_gone(self._sources, source, final, error)
            # Another node than the one that announced the head may have told of this block.
            raise NodesDisagreeError(str(error)) from error
        if not is_followed:
            raise NodesDisagreeError(f"too few nodes have the branch of block {above.number}")

    async def _catch_up(self, head: BlockRef) -> None:
        if is_long_way(self._cursor, head, self._sources):
            final = (await self._sources.depth()).finalized or self._cursor.finalized
            # The chain may change meanwhile; a head will tell, and it is asked anew.
            with contextlib.suppress(BrokenBranchError):
                self._cursor = await take_in_history(
                    self._connection,
                    self._sources,
                    self._cursor,
                    chain_id=self._chain_id,
                    until=final,
                )
        if head.number - self._cursor.tip.number > CATCH_UP_DISTANCE_BLOCKS:
            self._cursor = await catch_up(
                self._connection,
                self._sources,
                self._cursor,
                chain_id=self._chain_id,
                until_number=head.number,
                concurrency=self._concurrency,
                is_backed=lambda block: is_backed(
                    self._sources, block, patience_seconds=PATIENCE_SECONDS
                ),
            )

    async def _deepen(self) -> None:
        """Nothing new on top; perhaps something has become safe or final below."""
        tip = self._cursor.tip
        if any(ref and ref.number <= tip.number for ref in self._deeper()):
            await self._apply(Branch(fork=tip, blocks=()))

    def _deeper(self) -> tuple[BlockRef | None, BlockRef | None]:
        """What the quorum calls safe and finalized, where that is more than the ledger knows."""
        safe, finalized = self._consensus.depth.safe, self._consensus.depth.finalized
        return (
            safe if safe and safe.number > self._cursor.safe_number else None,
            finalized if finalized and finalized.number > self._cursor.finalized.number else None,
        )

    async def _apply(self, branch: Branch) -> Outcome:
        safe, finalized = await self._provable(branch, self._deeper())
        below = branch.below.batches() if branch.below else ()
        step = Step(self._cursor.tip, branch.fork, branch.blocks, safe, finalized, below)
        async with self._connection.transaction():
            outcome = await apply_step(
                self._connection, self._chain_id, step, now=datetime.now(UTC)
            )
        self._cursor = outcome.cursor
        return outcome

    async def _provable(
        self, branch: Branch, refs: Sequence[BlockRef | None]
    ) -> list[BlockRef | None]:
        """Those depths that name a block which is ours once the branch is applied."""
        ours = {block.header.number: block.header.hash for block in branch.blocks}
        below = [ref.number for ref in refs if ref and ref.number <= branch.fork.number]
        if below:
            ours |= await read_canonical(self._connection, self._chain_id, below)
        return [ref if ref and ours.get(ref.number) == ref.hash else None for ref in refs]

    async def _observe(self) -> None:
        """About once a second, note for the oracle what the nodes say, and what they did."""
        now = time.monotonic()
        checked_at = self._consensus.checked_at
        if now - self._observed_at < _HEARTBEAT_SECONDS or checked_at is None:
            return
        self._observed_at = now
        await record_evidence(self._connection, self._chain_id, self._sources.take_evidence())
        head_number = self._sources.reached_number()
        metrics.TIP.set(self._cursor.tip.number)
        metrics.HEAD.set(head_number)
        metrics.FINALIZED.set(self._cursor.finalized.number)
        metrics.NODES_AGREEING.set(len(self._consensus.agreeing))
        await record_observation(
            self._connection,
            self._chain_id,
            head_number=head_number,
            nodes_agreeing=len(self._consensus.agreeing),
            nodes_asked=len(self._sources.all),
            checked_at=checked_at,
            verification=self._sources.verification,
        )

    async def _read_cursor(self) -> Cursor:
        cursor = await read_cursor(self._connection, self._chain_id)
        return self._cursor if cursor is None else cursor


def _tell(outcome: Outcome, branch: Branch, announcement: Announcement) -> None:
    """Log and count what a head has led to."""
    seconds = time.monotonic() - announcement.received_at
    metrics.COMMIT_SECONDS.observe(seconds)
    metrics.BLOCKS.inc(branch.count)
    metrics.TRANSFERS.inc(outcome.transfer_count)
    metrics.RETRACTED.inc(outcome.retracted_count)
    if outcome.retracted_count:
        log.warning(
            "reorganised",
            fork=branch.fork.number,
            retracted=outcome.retracted_count,
            tip=outcome.cursor.tip.number,
        )
    log.info(
        "advanced",
        tip=outcome.cursor.tip.number,
        hash=to_hex(outcome.cursor.tip.hash),
        blocks=branch.count,
        transfers=outcome.transfer_count,
        events=len(outcome.events),
        finalized=outcome.cursor.finalized.number,
        milliseconds=round(seconds * 1000, 2),
    )
