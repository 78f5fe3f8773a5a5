"""Does one piece of work within its limits, and says what becomes of it when it fails."""

import asyncio
import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

import orjson
import structlog
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job

from oracle_api.jobs.metrics import JOBS
from oracle_api.jobs.work import Handler, JobContext, Schedule

FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 900.0

log = structlog.get_logger()


class StoppedError(Exception):
    """The process stops and its grace is over; somebody else has to do it again."""


class Executor:
    """Does jobs and scheduled work until its grace is over."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self.grace_is_over = asyncio.Event()

    async def do(self, handler: Handler, job: Job) -> None:
        """Do a job.

        Raises:
            RetryRequested: it has to be done again later.
            Exception: whatever the last attempt raised; the job is held.
        """
        name, attempt = handler.name, job.attempts + 1
        try:
            payload = orjson.loads(job.payload or b"{}")
            work = handler.work(self._context, payload)
            await self._bounded(work, timeout_seconds=handler.timeout_seconds)
        except StoppedError:
            raise RetryRequested(reason="the process was stopped") from None
        except Exception as error:
            if attempt >= handler.max_attempts:
                JOBS.labels(name, "held").inc()
                log.exception("a job is held", name=name, job=job.id, attempts=attempt)
                raise
            JOBS.labels(name, "retried").inc()
            delay = retry_delay(attempt)
            log.warning(
                "a job is tried again",
                name=name,
                job=job.id,
                attempt=attempt,
                error=repr(error),
                delay_seconds=round(delay.total_seconds(), 1),
            )
            raise RetryRequested(delay, repr(error)) from error
        JOBS.labels(name, "done").inc()

    async def do_scheduled(self, schedule: Schedule) -> None:
        """Do scheduled work; a failure is told and left to the next time."""
        try:
            work = schedule.work(self._context)
            await self._bounded(work, timeout_seconds=schedule.timeout_seconds)
        except StoppedError:
            return
        except Exception:
            JOBS.labels(schedule.name, "retried").inc()
            log.exception("scheduled work failed", name=schedule.name)
        else:
            JOBS.labels(schedule.name, "done").inc()

    async def _bounded(self, work: Awaitable[None], *, timeout_seconds: float) -> None:
        """Wait for work, but neither longer than it may take nor than our grace.

        The library takes a cancelled job for one that nobody wants any more and deletes it; so
        ours is cancelled in here and never seen to be.
        """
        task = asyncio.ensure_future(work)
        grace = asyncio.ensure_future(self.grace_is_over.wait())
        try:
            await asyncio.wait(
                {task, grace}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            is_done = task.done()
            for one in (task, grace):
                one.cancel()
            await asyncio.gather(task, grace, return_exceptions=True)
        if is_done:
            task.result()
        elif self.grace_is_over.is_set():
            raise StoppedError
        else:
            raise TimeoutError(f"it took longer than {timeout_seconds:g} s")


def retry_delay(attempt: int) -> timedelta:
    """How long to wait after a job's n-th attempt: doubled each time, with jitter."""
    seconds = min(FIRST_RETRY_SECONDS * 2.0 ** (attempt - 1), LONGEST_RETRY_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
