"""`kill -9` before and after each statement of the block transaction, with real processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from crash_image import changes, take_image
from crash_point import BEGIN, COMMIT, CrashPoint, Moment
from crash_scene import SEED, Scene, make_scene, write_orders
from crash_trial import Stage, courses_of, crash, examine, finish

from devnet.databases import fresh_database
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import serve
from ledger.store.pool import connect

# More processes at once only wait for each other on a small machine.
AT_ONCE = 4
BOTH: tuple[Moment, ...] = ("before", "after")


def name_of(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


@contextlib.asynccontextmanager
async def before(
    scene: Scene, step: Callable[[], None] | None, url: str, folder: Path
) -> AsyncIterator[Stage]:
    """A stage: the ledger at `url` follows the chain up to the step, which comes then."""
    connection = await connect(url, application_name="test")
    await write_orders(connection, scene.orders)
    await connection.close()
    async with serve(FaultyNode(scene.model)) as server:
        stage = Stage(scene, server, folder)
        if step is not None:
            await finish(stage, url)
            step()
        yield stage


async def survive_every_crash(
    stage: Stage, postgres_url: str, before_url: str, moments: Sequence[Moment]
) -> set[str]:
    """Die at every moment of the step's transaction; gives the statements that were died at."""
    earlier = await take_image(before_url)
    async with fresh_database(postgres_url, template=name_of(before_url)) as url:
        trace = await finish(stage, url)
        undisturbed = await take_image(url)
        assert await examine(stage, url, undisturbed) == []
    assert trace[0][2] == BEGIN
    assert changes(earlier, undisturbed) != []
    gate = asyncio.Semaphore(AT_ONCE)
    names = set()

    async def trial(course: tuple[CrashPoint, ...]) -> None:
        async with gate, fresh_database(postgres_url, template=name_of(before_url)) as url:
            for point in course:
                name = await crash(stage, url, point)
                names.add(name)
                if name != COMMIT:
                    found = changes(earlier, await take_image(url))
                    assert found == [], f"half-written, seed {SEED}: {point} at {name}"
            await finish(stage, url)
            found = await examine(stage, url, undisturbed)
            assert found == [], f"seed {SEED}: {course} at {name}"

    courses = courses_of(trace, moments)
    async with asyncio.TaskGroup() as trials:
        for course in courses:
            trials.create_task(trial(course))
    crashes = sum(map(len, courses))
    print(f"seed {SEED}: {crashes} crashes survived")  # noqa: T201 - for whoever asks with -s
    return names


@pytest.mark.parametrize(
    ("step", "moments", "statements"),
    [
        (
            "take_plain_block",
            BOTH,
            {
                *("INSERT INTO block", "COPY transfer", "COPY contract_event", "COPY event"),
                "UPDATE orders",
            },
        ),
        (
            "take_reorganisation",
            BOTH,
            {
                *("UPDATE block SET", "UPDATE transfer SET", "UPDATE contract_event SET"),
                "COPY event",
            },
        ),
        ("take_depths", ("before",), {"UPDATE chain SET", "UPDATE orders", "COPY event"}),
        (None, ("before",), {"INSERT INTO chain", "INSERT INTO block"}),
    ],
    ids=["plain block", "reorganisation", "depths", "registration"],
)
async def test_a_kill_at_any_statement_loses_and_doubles_nothing(
    postgres_url: str,
    ledger_url: str,
    tmp_path: Path,
    *,
    step: str | None,
    moments: Sequence[Moment],
    statements: set[str],
) -> None:
    scene = make_scene()
    act = None if step is None else getattr(scene, step)
    async with before(scene, act, ledger_url, tmp_path) as stage:
        died_at = await survive_every_crash(stage, postgres_url, ledger_url, moments)
    for statement in {*statements, BEGIN, COMMIT}:
        assert any(name.startswith(statement) for name in died_at), (statement, died_at)
