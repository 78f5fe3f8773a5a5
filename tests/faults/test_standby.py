"""A hot standby takes over from a leader that is dead, frozen, or no longer the leader."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from crash_entry import start_indexer
from crash_image import changes, journal_faults, take_image
from crash_point import AT_COMMIT, CrashPoint, Moment
from crash_scene import Scene, make_scene, write_orders
from crash_trial import Stage, read_log, recompute

from devnet.databases import fresh_database
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import serve
from ledger.store.pool import Connection, connect

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
PATIENCE_SECONDS = 30.0
BILL = 10**18
TERMINATE_LEADER = """
SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()
"""


@dataclass
class Watch:
    """A ledger, its chain and the processes that want to write it."""

    stage: Stage
    url: str
    ledger: Connection
    processes: list[ForkServerProcess] = field(default_factory=list)

    @property
    def scene(self) -> Scene:
        return self.stage.scene

    def start(
        self, name: str, point: CrashPoint | None = None, *, is_lockless: bool = False
    ) -> ForkServerProcess:
        process = start_indexer(
            self.stage.environment(self.url),
            self.stage.folder / name,
            point,
            is_lockless=is_lockless,
        )
        self.processes.append(process)
        return process

    def logged(self, name: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in read_log(self.stage.folder / name).splitlines()]

    def written(self, name: str) -> set[object]:
        """The tips to which a process has moved the ledger."""
        return {line["hash"] for line in self.logged(name) if line["event"] == "advanced"}

    async def until_logged(self, name: str, event: str, *, times: int = 1) -> None:
        def told() -> bool:
            return [line["event"] for line in self.logged(name)].count(event) >= times

        await self.until(told, f"{event} from {name}")

    async def until_tip(self) -> None:
        wanted = self.scene.model.head.hash
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self.ledger.fetchval("SELECT tip_hash FROM chain") != wanted:
            assert time.monotonic() < deadline, "the tip was not reached"
            await asyncio.sleep(0.005)

    async def until(self, condition: object, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        assert callable(condition)
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            await asyncio.sleep(0.01)

    async def faults(self) -> list[str]:
        """What is wrong with the ledger."""
        image = await take_image(self.url)
        return journal_faults(image) + await recompute(self.stage, self.url)


@pytest.fixture
async def watch(ledger_url: str, tmp_path: Path) -> AsyncIterator[Watch]:
    scene = make_scene()
    async with serve(FaultyNode(scene.model)) as server, opened(ledger_url) as ledger:
        await write_orders(ledger, scene.orders)
        found = Watch(Stage(scene, server, tmp_path), ledger_url, ledger)
        try:
            yield found
        finally:
            for process in found.processes:
                process.kill()


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url, application_name="test")
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def command(watch: Watch, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command itself, as an operator starts it."""
    folder = watch.stage.folder / name
    folder.mkdir()
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            COMMAND, "run", env=os.environ | watch.stage.environment(watch.url), stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_standby_takes_over_from_a_killed_leader(watch: Watch) -> None:
    async with command(watch, "leader") as leader:
        await watch.until_logged("leader", "leading")
        await watch.until_tip()
        async with command(watch, "standby") as standby:
            await watch.until_logged("standby", "standing_by")
            leader.kill()
            killed = time.monotonic()
            watch.scene.take_plain_block()
            await watch.until_tip()
            seconds = time.monotonic() - killed
            assert standby.returncode is None
    assert leader.returncode == -signal.SIGKILL
    print(f"takeover after kill -9: {seconds:.3f} s to the first block committed")  # noqa: T201
    assert await watch.faults() == []


async def test_a_frozen_leader_loses_its_session_and_the_standby_takes_over(watch: Watch) -> None:
    """Its sockets stay open, so only its silence tells; `ledger.store.leadership` says how."""
    leader = watch.start("leader")
    await watch.until_logged("leader", "leading")
    await watch.until_tip()
    watch.start("standby")
    await watch.until_logged("standby", "standing_by")
    assert leader.pid is not None
    os.kill(leader.pid, signal.SIGSTOP)
    frozen = time.monotonic()
    watch.scene.take_plain_block()
    await watch.until_tip()
    seconds = time.monotonic() - frozen
    print(f"takeover from a frozen leader: {seconds:.3f} s")  # noqa: T201
    os.kill(leader.pid, signal.SIGCONT)
    await watch.until_logged("leader", "standing_by")
    watch.scene.pay(5, BILL)
    await watch.until_tip()
    assert [line["event"] for line in watch.logged("leader")].count("leading") == 1
    assert await watch.faults() == []


@pytest.mark.parametrize("moment", ["before", "sent"])
async def test_a_leader_that_freezes_at_its_commit_does_not_commit_twice(
    watch: Watch, moment: Moment
) -> None:
    """It holds the lock and the cursor's row, and wakes up when another has written the block."""
    first = watch.start("first")
    await watch.until_logged("first", "leading")
    await watch.until_tip()
    first.terminate()
    await asyncio.to_thread(first.join, PATIENCE_SECONDS)
    watch.scene.take_plain_block()
    point = CrashPoint(AT_COMMIT, moment, sent=signal.SIGSTOP)
    leader = watch.start("leader", point)
    trace = watch.stage.folder / "leader" / "trace"
    await watch.until(lambda: trace.exists() and "COMMIT" in trace.read_text(), "the commit")
    watch.start("standby")
    await watch.until_tip()
    watch.scene.pay(5, BILL)
    await watch.until_tip()
    assert leader.pid is not None
    os.kill(leader.pid, signal.SIGCONT)
    await watch.until_logged("leader", "standing_by")
    watch.scene.pay(6, BILL)
    await watch.until_tip()
    assert await watch.faults() == []


async def test_of_two_processes_that_both_write_one_wins_each_block(
    watch: Watch, postgres_url: str, migrated_template: str
) -> None:
    """Neither asks for the lock: compare-and-swap on the tip alone keeps the ledger sound."""
    names = ("one", "other")
    async with (
        fresh_database(postgres_url, template=migrated_template) as url,
        opened(url) as ledger,
    ):
        await write_orders(ledger, watch.scene.orders)
        alone = Watch(watch.stage, url, ledger)
        watch.processes.append(alone.start("alone"))
        for name in names:
            watch.start(name, is_lockless=True)
        for name in names:
            await watch.until_logged(name, "leading")
        for number in range(200):
            if number >= 20 and all(map(watch.written, names)):
                break
            await watch.until_tip()
            await alone.until_tip()
            watch.scene.pay(number % len(watch.scene.orders), BILL // 8)
            if number % 5 == 4:
                watch.scene.model.reorg(2, [[], [], []])
        await watch.until_tip()
        await alone.until_tip()
        assert changes(await take_image(url), await take_image(watch.url)) == []
    assert all(map(watch.written, names)), "one of them never wrote: nothing was contended"
    assert watch.written("one").isdisjoint(watch.written("other")), "a block was applied by both"
    assert await recompute(watch.stage, watch.url) == []


async def test_a_terminated_session_makes_a_leader_ask_for_the_lock_again(watch: Watch) -> None:
    """What an operator can do by hand: `pg_terminate_backend` on the leader's session."""
    watch.start("leader")
    await watch.until_logged("leader", "leading")
    await watch.until_tip()
    watch.start("standby")
    await watch.until_logged("standby", "standing_by")
    assert await watch.ledger.fetchval(TERMINATE_LEADER)
    watch.scene.take_plain_block()
    await watch.until_tip()
    await watch.until_logged("leader", "database_away")
    await watch.until_logged("leader", "standing_by")
    assert await watch.faults() == []
