"""Real servers: one PostgreSQL for each worker, a fresh database and chain for each test."""

import asyncio
import contextlib
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import structlog
from coverage import Coverage
from measuring import unmeasured
from running_order import dealt

from devnet.anvil import Chain, anvil
from devnet.databases import create_database, drop_database, fresh_database
from devnet.postgres import postgres_server
from migrations import upgrade

MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's folder for what lies in memory
MEMORY_NEEDED_BYTES = 2 * 1024**3


def _has_room_in_memory() -> bool:
    """Whether there is such a folder, with room, from which programs can be run."""
    try:
        can_execute = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        return can_execute and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED_BYTES
    except OSError:
        return False


def pytest_configure() -> None:
    """Keep what a test leaves behind for a moment in memory, unless `TMPDIR` says where.

    A database for each test is a third of a thousand new files: on some disks they cost more than
    all the test does with them.
    """
    if "TMPDIR" not in os.environ and _has_room_in_memory():
        os.environ["TMPDIR"] = str(MEMORY)  # for the processes that tests start, too
        tempfile.tempdir = str(MEMORY)
    if "PYTEST_XDIST_WORKER" in os.environ:
        _end_coverage_that_began_before()


def _end_coverage_that_began_before() -> None:
    """Leave a process that shares the tests to what pytest-cov begins with its session.

    Coverage begins by itself in every process that a measured one starts, and pytest-cov once more
    when it is loaded. Both would lie still below the session's, and go on whenever that is paused:
    in each test that is marked `no_cover`.
    """
    while (begun := Coverage.current()) is not None:
        begun.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End with what is quick when several processes share the tests."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        items[:] = dealt(items, processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Measure a test's fixtures as little as itself: pytest-cov's `no_cover` forgets them."""
    with unmeasured() if item.get_closest_marker("no_cover") else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_test_s_objects_live_for_ever() -> Iterator[None]:
    """Leave what is imported out of garbage collection, and let services add nothing to it.

    They freeze what lives as long as their process. In a test's process that would hide for ever
    what the tests before have left open.
    """
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(gc, "freeze", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_logger_remembers_where_it_wrote() -> Iterator[None]:
    """Let what a test changes of logging end with it: services fix theirs for a whole process."""
    configure = structlog.configure

    def afresh(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(structlog, "configure", afresh)
        yield


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process logs to an output that is closed with it.

    Whoever logged next would fail there, perhaps in a task that others wait for.
    """
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Let the module fail that leaves a socket open, and not one that comes much later."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server's maintenance database: `DATABASE_URL`'s server if set, else an embedded one.

    Without a durable log: a test's data does not outlive it.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    with postgres_server() as server:
        yield server.url()


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """A fresh, empty database, dropped after the test."""
    async with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with the newest schema, to copy from."""

    async def make() -> str:
        url = await create_database(postgres_url)
        await upgrade(url)
        return url

    url = asyncio.run(make())
    yield urlsplit(url).path.lstrip("/")
    asyncio.run(drop_database(url, server_url=postgres_url))


@pytest.fixture
async def ledger_url(postgres_url: str, migrated_template: str) -> AsyncIterator[str]:
    """A fresh database with the newest schema and nothing in it."""
    async with fresh_database(postgres_url, template=migrated_template) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_ledger_url(postgres_url: str, migrated_template: str) -> AsyncIterator[str]:
    """The same for all tests of a module."""
    async with fresh_database(postgres_url, template=migrated_template) as url:
        yield url


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    """A fresh chain that makes a block for each transaction; for anything else use `anvil`."""
    async with anvil() as running:
        yield running
