"""Postgres restarts, or cannot write: the indexer loses nothing and goes on by itself."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from crash_entry import start_indexer
from crash_image import changes, journal_faults, take_image
from crash_scene import Scene, environment, write_orders
from crash_supply import faults_of_supply, make_supply, paying
from crash_trial import Stage, read_log, recompute, until_followed

from devnet.databases import create_database
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import serve
from devnet.postgres import PostgresServer, start_postgres
from devnet.postgres_account import temporary_home
from devnet.process import ProcessDiedError
from ledger.store.pool import connect
from migrations import upgrade

PATIENCE_SECONDS = 30.0
ROUND = 12


@dataclass
class OwnServer:
    """A durable server that a test may kill; the data stays in its folder."""

    home: Path
    server: PostgresServer

    def end(self, sent: signal.Signals) -> None:
        """Stop the postmaster in this way, and wait until it is gone."""
        os.kill(int((self.home / "data/postmaster.pid").read_text().split("\n")[0]), sent)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.server.process.exit_status is None:
            assert time.monotonic() < deadline, "the server did not end"
            time.sleep(0.01)
        self.server.process.stop()

    def begin(self) -> None:
        """Start it again on the same data and port."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.server = start_postgres(home=self.home, port=self.server.port, durable=True)
            except ProcessDiedError:
                # After a SIGKILL the last of its sessions may still hold the folder's memory.
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                return


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    home = temporary_home()
    own = OwnServer(home, start_postgres(home=home, durable=True))
    try:
        yield own
    finally:
        own.server.process.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def supply() -> AsyncIterator[tuple[Scene, str]]:
    scene = make_supply(4 * ROUND)
    async with serve(FaultyNode(scene.model)) as server:
        yield scene, server.http_url


async def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(
    own_server: OwnServer, supply: tuple[Scene, str], tmp_path: Path
) -> None:
    """Three ends: fast shutdown, immediate shutdown, and the postmaster killed with -9."""
    scene, node_url = supply
    url = await create_database(own_server.server.url())
    await upgrade(url)
    connection = await connect(url, application_name="test")
    await write_orders(connection, scene.orders)
    await connection.close()
    process = start_indexer(environment(scene.deployment, url, node_url), tmp_path)
    paid = 0
    try:
        # Else a slow process would begin after the first server's end, and notice only two.
        await until_followed(scene, url, tmp_path)
        for end in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            async with paying(scene, paid, paid + ROUND):
                await asyncio.to_thread(own_server.end, end)
                await asyncio.to_thread(own_server.begin)
            paid += ROUND
            await until_followed(scene, url, tmp_path)
            assert await faults_of_supply(url, scene, paid) == []
        assert process.is_alive()
    finally:
        process.kill()
        await asyncio.to_thread(process.join)
    log = read_log(tmp_path)
    assert log.count('"database_away"') >= 3
    assert "Traceback" not in log
    async with serve(FaultyNode(scene.model)) as server:
        assert await recompute(Stage(scene, server, tmp_path), url) == []
    assert journal_faults(await take_image(url)) == []


DISK_FULL = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
END $$;
"""
FULL_AT = {
    "the first write": "CREATE TRIGGER full BEFORE INSERT ON block EXECUTE FUNCTION refuse()",
    "the last write": "CREATE TRIGGER full AFTER UPDATE ON orders EXECUTE FUNCTION refuse()",
    "the commit": (
        "CREATE CONSTRAINT TRIGGER full AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    ),
}


@pytest.mark.parametrize("where", FULL_AT)
async def test_a_full_disk_leaves_nothing_half_written_and_is_recovered_from(
    ledger_url: str, supply: tuple[Scene, str], tmp_path: Path, where: str
) -> None:
    """The error is what Postgres gives for a full disk (53100), but a trigger raises it.

    A disk that is really full takes a file system of its own, and mounting one takes rights that
    a test does not have; what is shown is what the indexer makes of the error.
    """
    scene, node_url = supply
    connection = await connect(ledger_url, application_name="test")
    await write_orders(connection, scene.orders)
    process = start_indexer(environment(scene.deployment, ledger_url, node_url), tmp_path)
    try:
        scene.pay(0, 10**18)
        await until_followed(scene, ledger_url, tmp_path)
        await connection.execute(DISK_FULL)
        await connection.execute(FULL_AT[where].replace(" full ", ' "full" '))
        before = await take_image(ledger_url)
        scene.pay(1, 10**18)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (log := read_log(tmp_path)).count('"disk_full"') < 2:
            assert time.monotonic() < deadline, log
            await asyncio.sleep(0.02)
        assert changes(before, await take_image(ledger_url)) == []
        assert "free space on the database's disk" in log
        await connection.execute("DROP FUNCTION refuse CASCADE")
        await until_followed(scene, ledger_url, tmp_path)
        assert process.is_alive()
    finally:
        process.kill()
        await connection.close()
    assert await faults_of_supply(ledger_url, scene, 2) == []
