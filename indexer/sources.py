"""All our nodes together: asked in the order of their health, agreeing on what cannot be proved."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from indexer import metrics
from indexer.depths import agreed_depth
from indexer.node import Depth, Node
from indexer.rpc import NodeUnreachableError, NotThereYetError
from indexer.source import Evidence, Source
from ledger.block import ProvenBlock
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.header import Header
from ledger.json_hex import UnprovenError
from ledger.verification import Verification

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

# A node that has not answered by then is not waited for alone any longer.
HEDGE_SECONDS = 0.25
# What all nodes are asked for together waits no longer than this for the slowest.
PATIENCE_SECONDS = 2.0
_MAX_KEPT_EVIDENCE = 256


class NodesDisagreeError(TransientError):
    """Too few nodes tell the same, and nothing else could decide."""


class Sources:
    """One or more nodes behind the questions that one node answers.

    What can be proved is believed from any single node; what cannot (which block is the head, what
    is safe or finalized) needs `required` of them.
    """

    def __init__(self, sources: Sequence[Source], *, required: int) -> None:
        if not 1 <= required <= len(sources):
            raise ValueError("required must be between 1 and the number of nodes")
        self.all = tuple(sources)
        self.required = required
        self.evidence: list[Evidence] = []

    @property
    def verification(self) -> Verification:
        """How far what these nodes answer is verified; all are at one level."""
        return self.all[0].node.verification

    @property
    def best(self) -> Source:
        """The one to ask what only one is asked."""
        return min(self.all, key=lambda source: source.rank())

    def degrade(self) -> None:
        """From now on, believe a block because a quorum tells the same, not because it hashes."""
        for source in self.all:
            source.node.verification = Verification.QUORUM

    async def block_by_hash(
        self, block_hash: bytes, *, preferred: Source | None = None
    ) -> ProvenBlock:
        """A proven block from whichever node has it; unproven, the same from a quorum."""
        if self.verification is Verification.QUORUM:
            return await self._ask_agreeing(lambda node: node.block_by_hash(block_hash))
        return await self._ask(lambda node: node.block_by_hash(block_hash), preferred)

    async def block_by_number(self, number: int) -> ProvenBlock:
        """The proven block at a height of some node's chain; unproven, the same from a quorum."""
        if self.verification is Verification.QUORUM:
            return await self._ask_agreeing(lambda node: node.block_by_number(number))
        return await self._ask(lambda node: node.block_by_number(number))

    async def header_by_hash(self, block_hash: bytes, *, preferred: Source | None = None) -> Header:
        """A proven header from whichever node has it; unproven, the same from a quorum."""
        if self.verification is Verification.QUORUM:
            return await self._ask_agreeing(lambda node: node.header_by_hash(block_hash))
        return await self._ask(lambda node: node.header_by_hash(block_hash), preferred)

    async def header_by_number(self, number: int, *, preferred: Source | None = None) -> Header:
        """The proven header at a height of some node's chain; unproven, the same from a quorum."""
        if self.verification is Verification.QUORUM:
            return await self._ask_agreeing(lambda node: node.header_by_number(number))
        return await self._ask(lambda node: node.header_by_number(number), preferred)

    async def agreed_header(self, number: int) -> Header:
        """The proven header at a height, the same from as many nodes as are required.

        Raises:
            NodesDisagreeError: too few have the same.
        """
        if self.required == 1:
            return await self.header_by_number(number)
        return await self._ask_agreeing(lambda node: node.header_by_number(number))

    async def head(self) -> Header:
        """The newest header of the healthiest node."""
        return await self._ask(lambda node: node.head())

    async def depth(self) -> Depth:
        """The deepest safe and finalized blocks that `required` nodes have reached.

        Raises:
            TransientError: fewer than `required` nodes answer.
        """
        answers = await self._ask_all(lambda node: node.depth())
        if len(answers) < self.required:
            silent = sorted(source.name for source in self.all if source not in answers)
            raise NodeUnreachableError(
                f"{len(answers)} of {self.required} required nodes tell what is finalized; "
                f"{', '.join(silent)} did not"
            )
        agreed = partial(agreed_depth, required=self.required, opinions=self.opinions)
        safe, finalized = await asyncio.gather(
            agreed("safe", {source: depth.safe for source, depth in answers.items()}),
            agreed("finalized", {source: depth.finalized for source, depth in answers.items()}),
        )
        return Depth(safe, finalized)

    async def opinions(
        self, block: BlockRef, among: Sequence[Source] | None = None
    ) -> tuple[list[Source], list[Source]]:
        """The nodes whose own chain has this block at its height, and those that have another.

        Nodes that are quarantined, or do not answer, or have not come so far, are in neither.
        """
        headers = await self._ask_all(lambda node: node.header_by_number(block.number), among)
        holding = [source for source, header in headers.items() if header.hash == block.hash]
        others = [source for source, header in headers.items() if header.hash != block.hash]
        return holding, others

    def reached_number(self) -> int:
        """The height that `required` nodes have told of; one alone can tell of any height."""
        heads = [source.health.head for source in self.all if not source.is_quarantined]
        highest = self._reached(heads)
        return 0 if highest is None else highest.number

    async def agree_on(self, block: BlockRef, *, patience_seconds: float) -> bool:
        """Whether `required` nodes have this block on their own chain, known as soon as they say.

        Those that have not come so far, or do not answer within `patience_seconds`, do not count.
        """
        asked = _awake([source for source in self.all if not source.is_quarantined])
        tasks = [
            asyncio.create_task(
                self._ask_one(source, lambda node: node.header_by_number(block.number))
            )
            for source in asked
        ]
        backers = 0
        try:
            for answer in asyncio.as_completed(tasks, timeout=patience_seconds):
                with contextlib.suppress(TransientError):
                    backers += (await answer).hash == block.hash
                if backers >= self.required:
                    return True
        except TimeoutError:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return False

    def convict(self, source: Source, error: UnprovenError) -> None:
        """Quarantine a node that was caught, and keep the evidence."""
        evidence = source.lied(error, is_alone=len(self.all) == 1)
        self.evidence = [*self.evidence, evidence][-_MAX_KEPT_EVIDENCE:]
        metrics.LIES.labels(source.name, error.code).inc()
        log.error("node_lied", source=source.name, code=error.code, message=str(error))

    def take_evidence(self) -> list[Evidence]:
        """What was caught since the last call, for the ledger to keep."""
        taken, self.evidence = self.evidence, []
        return taken

    async def _ask(
        self,
        question: Callable[[Node], Awaitable[Answer]],
        preferred: Source | None = None,
    ) -> Answer:
        """The first good answer; a node that fails, lies or dawdles makes room for the next.

        Raises:
            TransientError: the last node's, when none has a good answer.
        """
        waiting = self._in_order(preferred)
        running: set[asyncio.Task[Answer]] = set()
        error: TransientError = NodeUnreachableError("no node was asked")
        try:
            while waiting or running:
                if waiting:
                    task = asyncio.create_task(self._ask_one(waiting.pop(0), question))
                    task.add_done_callback(_note_failure)
                    running.add(task)
                done, running = await asyncio.wait(
                    running,
                    timeout=HEDGE_SECONDS if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    failure = task.exception()
                    if failure is None:
                        return task.result()
                    if not isinstance(failure, TransientError):
                        raise failure
                    error = failure
        finally:
            for task in running:
                task.cancel()
        raise error

    async def _ask_agreeing(self, question: Callable[[Node], Awaitable[Answer]]) -> Answer:
        """The answer that `required` nodes give alike.

        Raises:
            NodesDisagreeError: no answer is given by so many.
        """
        answers = list((await self._ask_all(question)).values())
        for answer in answers:
            if answers.count(answer) >= self.required:
                return answer
        raise NodesDisagreeError(
            f"of {len(answers)} answers no {self.required} are alike; nothing is written"
        )

    async def _ask_all(
        self,
        question: Callable[[Node], Awaitable[Answer]],
        among: Sequence[Source] | None = None,
    ) -> dict[Source, Answer]:
        """The good answers of all nodes that are neither quarantined nor too slow."""
        whom = self.all if among is None else among
        asked = _awake([source for source in whom if not source.is_quarantined])
        tasks = {asyncio.create_task(self._ask_one(source, question)): source for source in asked}
        if not tasks:
            return {}
        try:
            done, late = await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
        for task in late:
            tasks[task].failed(NodeUnreachableError("no answer in time"))
        for task in done:
            failure = task.exception()
            if failure is not None and not isinstance(failure, TransientError):
                raise failure
        return {tasks[task]: task.result() for task in done if task.exception() is None}

    async def _ask_one(
        self, source: Source, question: Callable[[Node], Awaitable[Answer]]
    ) -> Answer:
        started = time.monotonic()
        try:
            answer = await question(source.node)
        except UnprovenError as error:
            self.convict(source, error)
            raise
        except NotThereYetError:
            raise  # lagging is no fault: a head travels faster than its block
        except TransientError as error:
            source.failed(error)
            raise
        source.served(time.monotonic() - started)
        return answer

    def _in_order(self, preferred: Source | None) -> list[Source]:
        ranked = sorted(_awake(self.all), key=lambda source: source.rank())
        if preferred in ranked and not preferred.is_quarantined:
            ranked.remove(preferred)
            ranked.insert(0, preferred)
        return ranked

    def _reached(self, claims: Sequence[BlockRef | None]) -> BlockRef | None:
        """The highest claim that `required` nodes have reached; they may be ahead of it."""
        known = sorted((claim for claim in claims if claim), key=lambda claim: -claim.number)
        return known[self.required - 1] if len(known) >= self.required else None


def _note_failure(task: "asyncio.Task[Any]") -> None:
    """Look at a task's error, so that one which nobody waits for any more is not complained of."""
    if not task.cancelled():
        task.exception()


def _awake(sources: Sequence[Source]) -> list[Source]:
    """Those that need not be left alone; all of them when each one does, since one must answer."""
    return [source for source in sources if not source.is_resting] or list(sources)
