"""Jobs are done if their cause was committed, at least once, through crashes and outages."""

import asyncio
import contextlib
import json
import signal
import subprocess
import time
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from jobs_process import doing
from oracle_support import Ledger, environment_for, settings_for, until
from pgqueuer.core.qm import QueueManager

from devnet.services import console_script
from ledger.store.jobs import count_processes, forget_jobs_before, read_queue_standing
from ledger.store.pool import Connection
from oracle_api.jobs import execution, process
from oracle_api.jobs.queue import MAX_PAYLOAD_BYTES, enqueue
from oracle_api.jobs.work import Handler, JobContext, Payload, Schedule, Service, Work
from oracle_api.times import to_datetime

END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'billcoin-jobs%'
"""


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody is told of a job that is put back; a person has the patience, a test has not.
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.2)


def noting(into: list[Payload], **limits: Any) -> Handler:
    async def note(_: JobContext, payload: Payload) -> None:
        into.append(payload)

    return Handler("note", note, **limits)


async def put(connection: Connection, *numbers: int, **options: Any) -> None:
    for number in numbers:
        await enqueue(connection, "note", {"number": number}, **options)


async def test_a_job_is_done_if_and_only_if_its_cause_was_committed(ledger: Ledger) -> None:
    done: list[Payload] = []
    async with doing(settings_for(ledger.url), Work(handlers=(noting(done),))):
        with contextlib.suppress(ZeroDivisionError):
            async with ledger.connection.transaction():
                await put(ledger.connection, 1)
                raise ZeroDivisionError
        async with ledger.connection.transaction():
            await put(ledger.connection, 2, 3)
            await asyncio.sleep(0)
            assert done == []
        await until(lambda: len(done) == 2)
    assert sorted(job["number"] for job in done) == [2, 3]


async def test_a_once_key_puts_one_job_in_line_and_no_more(ledger: Ledger) -> None:
    await put(ledger.connection, 1, 2, 3, once_key="the same")
    await put(ledger.connection, 4, once_key="another")
    done: list[Payload] = []
    async with doing(settings_for(ledger.url), Work(handlers=(noting(done),))):
        await until(lambda: len(done) == 2)
    assert sorted(job["number"] for job in done) == [1, 4]


async def test_a_payload_has_a_limit(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="at most"):
        await enqueue(ledger.connection, "note", {"text": "x" * MAX_PAYLOAD_BYTES})


async def test_a_failing_job_is_tried_again_and_in_the_end_held(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "retry_delay", lambda _: timedelta(0))
    tries: list[int] = []

    async def fail(_: JobContext, payload: Payload) -> None:
        tries.append(payload["number"])
        if payload["number"] == 1 or tries.count(2) < 3:
            raise ConnectionResetError("no luck")

    await put(ledger.connection, 1, 2)
    async with doing(
        settings_for(ledger.url), Work(handlers=(Handler("note", fail, max_attempts=4),))
    ):
        await until(lambda: len(tries) == 7)
    assert (tries.count(1), tries.count(2)) == (4, 3)
    standing = await read_queue_standing(ledger.connection)
    assert (standing.queued, standing.being_done, standing.held) == (0, 0, 1)


async def test_a_job_that_takes_too_long_is_ended_and_tried_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "retry_delay", lambda _: timedelta(0))
    tries = 0

    async def hang_once(_: JobContext, __: Payload) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.get_running_loop().create_future()

    await put(ledger.connection, 1)
    handler = Handler("note", hang_once, timeout_seconds=0.05)
    async with doing(settings_for(ledger.url), Work(handlers=(handler,))):
        await until(lambda: tries == 2)


async def test_a_job_that_outlives_its_process_s_grace_is_put_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.05)
    began: list[int] = []

    async def hang(_: JobContext, payload: Payload) -> None:
        began.append(payload["number"])
        await asyncio.get_running_loop().create_future()

    await put(ledger.connection, 1)
    async with doing(settings_for(ledger.url), Work(handlers=(Handler("note", hang),))):
        await until(lambda: bool(began))
    assert (await read_queue_standing(ledger.connection)).queued == 1
    done: list[Payload] = []
    async with doing(settings_for(ledger.url), Work(handlers=(noting(done),))):
        await until(lambda: bool(done))


async def test_it_goes_on_after_the_database_has_cut_every_session(ledger: Ledger) -> None:
    done: list[Payload] = []
    async with doing(settings_for(ledger.url), Work(handlers=(noting(done),))):
        await put(ledger.connection, 1)
        await until(lambda: len(done) == 1)
        await ledger.connection.fetch(END_SESSIONS)
        await put(ledger.connection, 2)
        await until(lambda: {job["number"] for job in done} == {1, 2})


async def test_a_server_that_is_slow_to_listen_is_heard_all_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen, probe = asyncpg.Connection.add_listener, QueueManager.listener_healthy
    heard: list[Any] = []

    async def slowly(self: Any, channel: str, callback: Any) -> None:
        if channel not in self._listeners:
            await asyncio.sleep(0.2)
        await listen(self, channel, callback)

    async def impatiently(self: QueueManager, **_: Any) -> Any:
        heard.append(await probe(self, timedelta(seconds=1)))
        return heard[-1]

    monkeypatch.setattr(asyncpg.Connection, "add_listener", slowly)
    monkeypatch.setattr(QueueManager, "listener_healthy", impatiently)
    async with doing(settings_for(ledger.url), Work()):
        await until(lambda: bool(heard))


async def test_scheduled_work_is_done_by_one_process_at_a_time_and_again(ledger: Ledger) -> None:
    at_work, most, count = 0, 0, 0

    async def work(_: JobContext) -> None:
        nonlocal at_work, most, count
        at_work, count = at_work + 1, count + 1
        most = max(most, at_work)
        await asyncio.sleep(0.05)
        at_work -= 1
        if count == 1:
            raise ConnectionResetError("the first time it fails")

    schedules = (Schedule("tick", "* * * * * *", work),)
    async with (
        doing(settings_for(ledger.url), Work(schedules=schedules)),
        doing(settings_for(ledger.url), Work(schedules=schedules)),
    ):
        await until(lambda: count == 2)
    assert most == 1


async def test_a_service_that_fails_is_begun_anew(ledger: Ledger) -> None:
    begun = 0

    async def serve(_: JobContext) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ZeroDivisionError
        await asyncio.get_running_loop().create_future()

    async with doing(settings_for(ledger.url), Work(services=(Service("test", serve),))):
        await until(lambda: begun == 2)


async def test_what_the_queue_noted_long_ago_is_forgotten(ledger: Ledger) -> None:
    done: list[Payload] = []
    await put(ledger.connection, 1)
    async with doing(settings_for(ledger.url), Work(handlers=(noting(done),))):
        await until(lambda: bool(done))
    now = time.time()
    assert await forget_jobs_before(ledger.connection, to_datetime(now - 60)) == 0
    assert await forget_jobs_before(ledger.connection, to_datetime(now + 60)) >= 3


async def test_the_command_works_says_where_it_stands_and_ends_on_sigterm(ledger: Ledger) -> None:
    command, environment = console_script("billcoin-oracle"), environment_for(ledger.url)

    def status() -> tuple[int, dict[str, Any]]:
        asked = subprocess.run(  # noqa: S603 - our own command
            [command, "jobs-status", "--json"], env=environment, capture_output=True, check=False
        )
        return asked.returncode, json.loads(asked.stdout)

    jobs = await asyncio.create_subprocess_exec(
        command, "jobs", env=environment, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        # Another process sets no event.
        while not await count_processes(ledger.connection, process.QUEUE_NAME):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    code, standing = await asyncio.to_thread(status)
    assert (code, standing["processes"]) == (0, 1)
    jobs.send_signal(signal.SIGTERM)
    _, logs = await jobs.communicate()
    assert jobs.returncode == 0, logs.decode()
    lines = [json.loads(line) for line in logs.splitlines()]
    assert lines[0]["event"] == "doing jobs"
    assert lines[-1]["event"] == "jobs stopped"
    code, standing = await asyncio.to_thread(status)
    assert (code, standing["processes"]) == (1, 0)
