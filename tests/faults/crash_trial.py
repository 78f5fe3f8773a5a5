"""One trial: a process dies at a crash point, a clean one goes on, and the ledger is examined."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from crash_entry import start_indexer
from crash_image import Image, changes, journal_faults, take_image
from crash_point import COMMIT, CrashPoint, Moment
from crash_scene import Scene, environment

from devnet.faulty_node.server import FaultyServer
from indexer.lead import open_sources
from indexer.replay_check import replay_check
from indexer.settings import IndexerSettings
from ledger.store.pool import connect

PATIENCE_SECONDS = 30.0
# Going on to the end and recomputing it takes longer than the crashes before it.
CRASHES_A_LEDGER = 8
_READ_OBSERVED = "SELECT checked_at FROM observation"
_READ_POSITION = "SELECT tip_hash, safe_number, finalized_number FROM chain"


@dataclass(frozen=True)
class Stage:
    """What all trials of a scene share: the chain after the step, and the ledger before it."""

    scene: Scene
    server: FaultyServer
    folder: Path

    def environment(self, database_url: str) -> Mapping[str, str]:
        return environment(self.scene.deployment, database_url, self.server.http_url)

    def settings(self, database_url: str) -> IndexerSettings:
        variables: dict[str, Any] = {
            name.removeprefix("BILLCOIN_").lower(): value
            for name, value in self.environment(database_url).items()
            if name.startswith("BILLCOIN_")
        }
        return IndexerSettings(DATABASE_URL=database_url, **variables)


async def crash(stage: Stage, database_url: str, point: CrashPoint) -> str:
    """Run an indexer until it kills itself; gives the name of the statement it died at."""
    folder = stage.folder / f"crash-{point.transaction}-{point.statement}-{point.moment}"
    process = start_indexer(stage.environment(database_url), folder, point)
    try:
        await until_ended(process)
        ending = f"{point}: {process.exitcode}\n{read_log(folder)}"
        assert process.exitcode == -signal.SIGKILL, ending
    finally:
        process.kill()
    transaction, statement, name = read_trace(folder)[-1]
    assert (transaction, statement) == (point.transaction, point.statement)
    return name


async def finish(stage: Stage, database_url: str) -> list[tuple[int, int, str]]:
    """Let a clean indexer come to the end of the chain; gives the statements that it wrote with."""
    folder = stage.folder / f"clean-{database_url.rpartition('/')[2]}"
    started = datetime.now(UTC)
    process = start_indexer(stage.environment(database_url), folder)
    try:
        await until_followed(stage.scene, database_url, folder)
        if not (folder / "trace").exists():
            await until_observed(database_url, folder, since=started)
        process.terminate()
        await until_ended(process)
        assert process.exitcode == 0, read_log(folder)
    finally:
        process.kill()
    return read_trace(folder)


async def until_ended(process: BaseProcess) -> None:
    """Wait for a process, in the event loop's own thread.

    Starting another one looks after all that have ended: with a join in a thread of its own, both
    would read the same exit status, and one of them would find none.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.is_alive() and time.monotonic() < deadline:  # noqa: ASYNC110 - sets no event
        await asyncio.sleep(0.02)


async def until_followed(scene: Scene, database_url: str, folder: Path) -> None:
    """Wait until the ledger stands on the chain's head and knows its depths."""
    model = scene.model
    wanted = (model.head.hash, model.safe.number, model.finalized.number)
    await until_row(database_url, _READ_POSITION, folder, lambda row: tuple(row) == wanted)


async def until_observed(database_url: str, folder: Path, *, since: datetime) -> None:
    """Wait until an indexer has looked at the nodes: it found nothing to do."""
    await until_row(database_url, _READ_OBSERVED, folder, lambda row: bool(row[0] > since))


async def until_row(
    database_url: str, query: str, folder: Path, accepts: Callable[[Sequence[Any]], bool]
) -> None:
    connection = await connect(database_url, application_name="test")
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while (row := await connection.fetchrow(query)) is None or not accepts(list(row)):
            assert time.monotonic() < deadline, f"{query}: {row}\n{read_log(folder)}"
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def examine(stage: Stage, database_url: str, undisturbed: Image) -> list[str]:
    """All that is wrong with a ledger: against an undisturbed one, the node, and in itself."""
    image = await take_image(database_url)
    return (
        changes(undisturbed, image) + journal_faults(image) + await recompute(stage, database_url)
    )


async def recompute(stage: Stage, database_url: str) -> list[str]:
    """What a naive full recompute from the node finds."""
    settings = stage.settings(database_url)
    connection = await connect(database_url, application_name="test")
    try:
        async with (
            open_sources(settings) as sources,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            report = await replay_check(
                connection,
                sources,
                chain_id=settings.chain_id,
                first=None,
                last=None,
                concurrency=4,
                progress=lambda _done, _total: None,
            )
    finally:
        await connection.close()
    return list(report.differences)


def read_log(folder: Path) -> str:
    path = folder / "log"
    return path.read_text() if path.exists() else ""


def read_trace(folder: Path) -> list[tuple[int, int, str]]:
    """The statements that a process began inside writing transactions: (m, n, name)."""
    path = folder / "trace"
    text = path.read_text() if path.exists() else ""
    lines = [line.split("\t") for line in text.splitlines()]
    return [(int(transaction), int(statement), name) for transaction, statement, name in lines]


def courses_of(
    trace: list[tuple[int, int, str]], moments: Sequence[Moment]
) -> list[tuple[CrashPoint, ...]]:
    """All crashes of a trace's first transaction: those that one ledger suffers one by one.

    A crash before the commit leaves the ledger as it was, which is looked at each time, so the
    next process can die at the next moment; each moment of the commit has a ledger of its own.
    """
    statements = [(number, name) for transaction, number, name in trace if transaction == 1]
    points = [
        CrashPoint(number, moment)
        for number, name in statements
        if name != COMMIT
        for moment in moments
    ]
    courses = [
        tuple(points[start : start + CRASHES_A_LEDGER])
        for start in range(0, len(points), CRASHES_A_LEDGER)
    ]
    at_commit: tuple[Moment, ...] = ("before", "sent", "after")
    commits = [number for number, name in statements if name == COMMIT]
    return courses + [(CrashPoint(number, moment),) for number in commits for moment in at_commit]
