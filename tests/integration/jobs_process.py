"""A jobs process, in this one."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from oracle_api.database import Database
from oracle_api.jobs.process import APPLICATION_NAME, JobsProcess
from oracle_api.jobs.registry import WORK
from oracle_api.jobs.work import JobContext, Work
from oracle_api.settings import Settings


@contextlib.asynccontextmanager
async def doing(settings: Settings, work: Work = WORK) -> AsyncIterator[None]:
    """Do jobs for the length of the block, then stop as an operator stops it."""
    url = str(settings.database_url)
    database = Database(url, settings.deployment, application_name=APPLICATION_NAME)
    stop = asyncio.Event()
    context = JobContext(settings, database, time.time)
    running = asyncio.create_task(JobsProcess(context, work).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
