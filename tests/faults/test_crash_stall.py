"""A node that stops answering, and clocks that jump: nothing wrong is said or written."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from crash_entry import start_indexer
from crash_image import changes, take_image
from crash_scene import BILL, Scene, environment, make_scene, write_orders
from crash_supply import faults_of_supply, make_supply
from crash_trial import Stage, read_log, recompute, until_followed

from devnet.databases import fresh_database
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from indexer import consensus, follow
from indexer.lead import lead_forever
from ledger.confidence import Doubt, Limits, Observation, doubt
from ledger.store.observation import read_observation
from ledger.store.pool import connect

PATIENCE_SECONDS = 30.0
AN_HOUR_SECONDS = 3600
LIMITS = Limits(
    observation_age_seconds=10.0, blocks_behind=5, tip_age_seconds=1e12, nodes_required=1
)


async def until_failed_polls(folder: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while read_log(folder).count('"poll_failed"') < count:
        assert time.monotonic() < deadline, read_log(folder)
        await asyncio.sleep(0.02)


async def test_while_the_only_node_is_stalled_the_ledger_grows_old_and_then_recovers(
    ledger_url: str, tmp_path: Path
) -> None:
    scene = make_supply(3)
    ledger = await connect(ledger_url, application_name="test")
    await write_orders(ledger, scene.orders)
    node = FaultyNode(scene.model)
    chain_id = scene.deployment.chain_id
    async with serve(node) as server:
        settings = environment(scene.deployment, ledger_url, server.http_url)
        quick = {**settings, "BILLCOIN_REQUEST_TIMEOUT_SECONDS": "0.5"}
        process = start_indexer(quick, tmp_path)
        try:
            scene.pay(0, BILL)
            await until_followed(scene, ledger_url, tmp_path)
            node.faults.turn_on("slow_answer", amount=AN_HOUR_SECONDS)
            before = await take_image(ledger_url)
            scene.pay(1, BILL)
            # What was asked before is told within the next two seconds.
            await until_failed_polls(tmp_path, 4)
            seen = await read_observation(ledger, chain_id)
            await until_failed_polls(tmp_path, 6)
            assert await read_observation(ledger, chain_id) == seen
            assert changes(before, await take_image(ledger_url)) == []
            node.faults.clear()
            await until_followed(scene, ledger_url, tmp_path)
            assert process.is_alive()
        finally:
            process.kill()
            await ledger.close()
        assert await recompute(Stage(scene, server, tmp_path), ledger_url) == []
    assert await faults_of_supply(ledger_url, scene, 2) == []
    assert seen is not None
    assert _doubt(seen, now=seen.checked_at + 10.5) is Doubt.INDEXER_SILENT


@contextlib.contextmanager
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    """The wall clock of the indexer jumps a day back or two days on each time it is read."""
    read: list[datetime] = []
    jumps = cycle((timedelta(0), timedelta(days=-1), timedelta(days=2), timedelta(days=-30)))

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            moment = datetime.now(tz) + next(jumps)
            read.append(moment)
            return moment

    with monkeypatch.context() as patch:
        patch.setattr(follow, "datetime", Jumping)
        patch.setattr(consensus, "datetime", Jumping)
        yield read


@contextlib.asynccontextmanager
async def indexing(scene: Scene, server: FaultyServer, url: str) -> AsyncIterator[None]:
    task = asyncio.create_task(lead_forever(Stage(scene, server, Path()).settings(url)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def live(scene: Scene, url: str, folder: Path) -> None:
    """A little history in lockstep with whoever writes the ledger at `url`."""
    connection = await connect(url, application_name="test")
    await write_orders(connection, scene.orders)
    await connection.close()
    async with serve(FaultyNode(scene.model)) as server, indexing(scene, server, url):
        await until_followed(scene, url, folder)
        for step in (scene.take_reorganisation, scene.take_plain_block):
            step()
            await until_followed(scene, url, folder)
        scene.pay(5, BILL)
        await until_followed(scene, url, folder)
        # One after the other: a node is asked for the two depths separately.
        model = scene.model
        model.declare(safe=model.head.number, finalized=model.finalized.number)
        await until_followed(scene, url, folder)
        scene.take_depths()
        await until_followed(scene, url, folder)


async def test_the_journal_s_order_does_not_depend_on_the_clock(
    ledger_url: str,
    postgres_url: str,
    migrated_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with jumping_clock(monkeypatch) as read:
        await live(make_scene(), ledger_url, tmp_path)
    assert len(read) > 4
    async with fresh_database(postgres_url, template=migrated_template) as steady_url:
        await live(make_scene(), steady_url, tmp_path)
        assert changes(await take_image(steady_url), await take_image(ledger_url)) == []
    connection = await connect(ledger_url, application_name="test")
    told = [
        row["created_at"]
        for row in await connection.fetch("SELECT created_at FROM event ORDER BY seq")
    ]
    await connection.close()
    assert told != sorted(told), "the clock never jumped while an event was written"


def _doubt(observation: Observation, *, now: float) -> Doubt | None:
    number = observation.head_number
    return doubt(observation, tip_number=number, tip_timestamp=0, now=now, limits=LIMITS)


@pytest.mark.parametrize("age_seconds", [-AN_HOUR_SECONDS, AN_HOUR_SECONDS])
def test_an_observation_from_another_time_is_no_ground_for_an_answer(age_seconds: int) -> None:
    """An indexer that dies after its clock jumped ahead must not look alive for an hour."""
    now = datetime.now(UTC).timestamp()
    seen = Observation(head_number=7, nodes_agreeing=1, nodes_asked=1, checked_at=now - age_seconds)
    assert _doubt(seen, now=now) is Doubt.INDEXER_SILENT
