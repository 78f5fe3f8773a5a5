"""`billcoin-oracle jobs` and `billcoin-oracle jobs-status`."""

import asyncio
import signal
import time
from dataclasses import asdict
from typing import Any

import orjson
import structlog
import typer

from ledger.store.jobs import count_processes, read_queue_standing
from oracle_api.database import Database
from oracle_api.jobs.metrics import serve_metrics
from oracle_api.jobs.process import APPLICATION_NAME, QUEUE_NAME, JobsProcess
from oracle_api.jobs.registry import WORK
from oracle_api.jobs.work import JobContext
from oracle_api.settings import Settings

log = structlog.get_logger()


def run_jobs(settings: Settings) -> int:
    """Do jobs until SIGTERM or Ctrl-C; returns the process's exit status."""
    if settings.jobs_metrics_port is not None:
        serve_metrics(settings.jobs_metrics_host, settings.jobs_metrics_port)
    database = Database(
        str(settings.database_url), settings.deployment, application_name=APPLICATION_NAME
    )
    log.info(
        "doing jobs",
        handlers=[handler.name for handler in WORK.handlers],
        schedules=[schedule.name for schedule in WORK.schedules],
        services=[service.name for service in WORK.services],
    )
    asyncio.run(_until_told(JobsProcess(JobContext(settings, database, time.time), WORK)))
    log.info("jobs stopped")
    return 0


async def _until_told(process: JobsProcess) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await process.run(stop)


def tell_status(settings: Settings, *, as_json: bool) -> int:
    """Print where the queue stands; returns 0 when a process works on it and no job is held."""
    standing = asyncio.run(_read_standing(settings))
    if as_json:
        typer.echo(orjson.dumps(standing).decode())
    else:
        for name, value in standing.items():
            typer.echo(f"{name.replace('_', ' '):20} {value}")
    return 0 if standing["processes"] and not standing["held"] else 1


async def _read_standing(settings: Settings) -> dict[str, Any]:
    database = Database(str(settings.database_url), settings.deployment)
    await database.open()
    try:
        async with database.reading() as connection:
            standing = await read_queue_standing(connection)
            processes = await count_processes(connection, QUEUE_NAME)
    finally:
        await database.close()
    return {"processes": processes, **asdict(standing)}
