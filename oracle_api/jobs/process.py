"""The jobs process: works off the queue, keeps the schedules and runs the services."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.applications import PgQueuer
from pgqueuer.domain.errors import FailingListenerError
from pgqueuer.domain.models import Job
from pgqueuer.domain.models import Schedule as DueSchedule

from ledger.store.jobs import read_queue_standing
from ledger.store.pool import DATABASE_AWAY, Pool
from oracle_api.jobs.execution import Executor
from oracle_api.jobs.metrics import JOBS_HELD, JOBS_LATE
from oracle_api.jobs.queue import SETTINGS, queries_over
from oracle_api.jobs.work import Handler, JobContext, Schedule, Service, Work
from oracle_api.problems import UnavailableError

APPLICATION_NAME: Final = "billcoin-jobs"
QUEUE_NAME: Final = f"{APPLICATION_NAME}-queue:"
"""Each process's session that hears of new jobs has this name and a random end."""

JOBS_AT_ONCE: Final = 40
BATCH: Final = 10
LOOK_SECONDS: Final = 5.0
"""How often we look for jobs without having been told of them."""

HEARTBEAT_SECONDS: Final = 15.0
"""A job whose process has shown no life for so long is done by another one."""

GRACE_SECONDS: Final = 3.0
"""What jobs get to end when the process is told to stop; then they are put back."""

POOL_SIZE: Final = 4
STATEMENT_TIMEOUT_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
STANDING_SECONDS: Final = 15.0

_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, UnavailableError, FailingListenerError)

log = structlog.get_logger()


class JobsProcess:
    """Does all the work until told to stop; whatever the database does meanwhile."""

    def __init__(self, context: JobContext, work: Work) -> None:
        self._context = context
        self._work = work
        self._executor = Executor(context)
        self._name = QUEUE_NAME + secrets.token_hex(4)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        await self._context.database.open()
        services = [*self._work.services, Service("jobs.standing", measure_forever)]
        running = [asyncio.create_task(self._keep_running(service)) for service in services]
        try:
            await _again_and_again("the queue", self._work_off, stop)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await self._context.database.close()

    async def _keep_running(self, service: Service) -> None:
        await _again_and_again(service.name, lambda _: service.run(self._context), asyncio.Event())

    async def _work_off(self, stop: asyncio.Event) -> None:
        """Work off the queue until `stop` is set or the database goes away."""
        pool: Pool = await asyncpg.create_pool(
            str(self._context.settings.database_url),
            min_size=0,
            max_size=POOL_SIZE,
            timeout=STATEMENT_TIMEOUT_SECONDS,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            server_settings={"application_name": self._name},
        )
        driver = AsyncpgPoolDriver(pool)
        queuer = PgQueuer(driver, SETTINGS.channel, queries=queries_over(driver))
        for handler in self._work.handlers:
            self._register(queuer, handler)
        for schedule in self._work.schedules:
            self._register_schedule(queuer, schedule)
        stopping = asyncio.create_task(self._pass_on(stop, queuer))
        try:
            # Listened to before the library does: it asks at once whether it hears itself, and
            # where LISTEN is slower than that, it would wait for its own question in vain.
            await driver.add_listener(SETTINGS.channel, _hear)
            await queuer.run(
                dequeue_timeout=timedelta(seconds=LOOK_SECONDS),
                batch_size=BATCH,
                max_concurrent_tasks=JOBS_AT_ONCE,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=HEARTBEAT_SECONDS),
            )
        finally:
            stopping.cancel()
            pool.terminate()

    async def _pass_on(self, stop: asyncio.Event, queuer: PgQueuer) -> None:
        await stop.wait()
        queuer.shutdown.set()
        await asyncio.sleep(GRACE_SECONDS)
        self._executor.grace_is_over.set()

    def _register(self, queuer: PgQueuer, handler: Handler) -> None:
        async def do(job: Job) -> None:
            await self._executor.do(handler, job)

        queuer.entrypoint(
            handler.name,
            concurrency_limit=handler.concurrency_limit,
            accepts_context=False,
            on_failure="hold",
        )(do)

    def _register_schedule(self, queuer: PgQueuer, schedule: Schedule) -> None:
        async def do(_: DueSchedule) -> None:
            await self._executor.do_scheduled(schedule)

        queuer.schedule(schedule.name, schedule.cron, accepts_context=False)(do)


def _hear(_: str | bytes | bytearray) -> None:
    """What is said is for the library's listener."""


async def measure_forever(context: JobContext) -> None:
    """Show again and again where the queue stands."""
    while True:
        async with context.database.reading() as connection:
            standing = await read_queue_standing(connection)
        JOBS_HELD.set(standing.held)
        JOBS_LATE.set(standing.oldest_due_seconds)
        await asyncio.sleep(STANDING_SECONDS)


async def _again_and_again(
    name: str, work: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event
) -> None:
    """Do what should never end, until `stop` is set; when it fails, after a pause again."""
    pause_seconds = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = asyncio.get_running_loop().time()
        try:
            await work(stop)
        except _AWAY as error:
            log.warning("the database is away", work=name, error=repr(error))
        except Exception:
            log.exception("work that should never end has failed", work=name)
        if asyncio.get_running_loop().time() - began > LONGEST_PAUSE_SECONDS:
            pause_seconds = FIRST_PAUSE_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_seconds):
                await stop.wait()
        pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
