"""Ranges of blocks under way in worker processes, handed over in the order of the chain."""

import asyncio
from collections import deque
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Self

import structlog

from indexer.backfill_worker import RangeFailure, RangeTask, prove_range
from ledger.errors import TransientError
from ledger.json_hex import UnprovenError
from ledger.store.bulk_rows import ProvenRange

log = structlog.get_logger(__name__)

_FIRST_RANGE_BLOCKS = 64
_MAX_RANGE_BLOCKS = 1024
# Rows of one range, which is what one transaction writes and one process sends to another.
_TARGET_RANGE_BYTES = 1024 * 1024
_AHEAD_PER_WORKER = 2
_ATTEMPTS = 8
_MAX_BACKOFF_SECONDS = 5.0


class WorkersDiedError(TransientError):
    """Worker processes ended without being asked to, as when memory runs out."""


class RangesAhead:
    """Ranges under way, in order; how many and how long follows what comes back."""

    def __init__(self, executor: Executor, task: RangeTask, workers: int) -> None:
        self._executor = executor
        self._task = task
        self._next_first = task.first
        self._workers = workers
        self._most = workers * _AHEAD_PER_WORKER
        self._at_once = self._most
        self._range_blocks = _FIRST_RANGE_BLOCKS
        self._running: deque[tuple[RangeTask, asyncio.Future[ProvenRange | RangeFailure]]] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for running in self._running:
            running[1].cancel()

    async def next(self) -> ProvenRange:
        """The next range in order; asked for again while it fails."""
        self._fill()
        task, future = self._running.popleft()
        attempt = 0
        while True:
            attempt += 1
            result = await self._outcome(future)
            if isinstance(result, ProvenRange):
                self._went_well(task, result)
                self._fill()
                return result
            log.warning("range_failed", code=result.code, error=result.message, attempt=attempt)
            if attempt == _ATTEMPTS:
                raise _error_of(result)
            await self._wait_after(result, attempt)
            future = self._submit(task)

    def _fill(self) -> None:
        while len(self._running) < self._at_once and self._next_first <= self._task.last:
            first, left = self._next_first, self._task.last - self._next_first + 1
            # The last ranges grow shorter, so that all workers end at about the same time.
            fair = max(left // self._workers, _FIRST_RANGE_BLOCKS)
            last = first + min(self._range_blocks, fair, left) - 1
            task = replace(self._task, first=first, last=last)
            self._running.append((task, self._submit(task)))
            self._next_first = last + 1

    def _submit(self, task: RangeTask) -> "asyncio.Future[ProvenRange | RangeFailure]":
        try:
            return asyncio.wrap_future(self._executor.submit(prove_range, task))
        except BrokenProcessPool as error:
            raise WorkersDiedError(f"the worker processes died: {error}") from error

    async def _outcome(
        self, future: "asyncio.Future[ProvenRange | RangeFailure]"
    ) -> ProvenRange | RangeFailure:
        try:
            return await future
        except BrokenProcessPool as error:
            raise WorkersDiedError(f"the worker processes died: {error}") from error

    def _went_well(self, task: RangeTask, result: ProvenRange) -> None:
        count = task.last - task.first + 1
        size = len(result.block_copy) + len(result.transfer_copy) + len(result.event_copy)
        fitting = max(_TARGET_RANGE_BYTES * count // size, 1)
        # Sparse blocks tell little of those to come: grow step by step.
        self._range_blocks = min(fitting, 2 * self._range_blocks, _MAX_RANGE_BLOCKS)
        self._at_once = min(self._at_once + 1, self._most)

    async def _wait_after(self, failure: RangeFailure, attempt: int) -> None:
        """Ask for less at once, then wait as long as the node says, or longer each time."""
        self._at_once = max(self._at_once // 2, 1)
        backoff = min(0.025 * 2**attempt, _MAX_BACKOFF_SECONDS)
        asked = failure.retry_after_seconds
        await asyncio.sleep(backoff if asked is None else asked)


def _error_of(failure: RangeFailure) -> TransientError:
    """A node that does not answer is not one whose answers do not check."""
    if failure.code in {"rate_limited", "UnansweredError"}:
        return TransientError(failure.message)
    return UnprovenError(failure.code, failure.message)
