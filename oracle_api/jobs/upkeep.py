"""Keeps the queue's own log short."""

from datetime import timedelta
from typing import Final

import structlog

from ledger.store.jobs import forget_jobs_before
from oracle_api.jobs.work import JobContext
from oracle_api.times import to_datetime

KEEP_LOG_DAYS: Final = 14
"""How long the queue's log tells what became of a job."""

log = structlog.get_logger()


async def forget_old_jobs(context: JobContext) -> None:
    """Delete what the queue's log and statistics say about jobs of long ago."""
    before = to_datetime(context.clock()) - timedelta(days=KEEP_LOG_DAYS)
    async with context.database.writing() as connection:
        count = await forget_jobs_before(connection, before)
    log.info("old jobs forgotten", rows=count)
