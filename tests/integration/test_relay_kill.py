"""`kill -9` at every step of the relay: nobody pays twice, and no payment is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from market import wait_for
from relay_process import JOBS_STEPS, REPLACE_STEPS, SERVE_STEPS, start_oracle
from relay_proxy import RelayProxy, Trouble
from relay_scene import SUBMIT, Scene, open_scene, watching

from devnet.ports import LOOPBACK, free_port
from ledger.order import Status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory, proxy: RelayProxy
) -> AsyncIterator[Scene]:
    """Nobody watches here but who a test starts."""
    folder = tmp_path_factory.mktemp("relay")
    async with open_scene(module_ledger_url, folder, through=proxy, is_watched=False) as scene:
        yield scene


def environment(scene: Scene, *, port: int) -> Mapping[str, str]:
    settings = scene.settings
    return {
        **scene.market.manifest.variables(),
        "DATABASE_URL": scene.market.database_url,
        "BILLCOIN_ACCESS": "open",
        "BILLCOIN_ORACLE_PORT": str(port),
        "BILLCOIN_MAX_TIP_AGE_SECONDS": "86400",
        "BILLCOIN_RELAYER_NODE_URL": str(settings.relayer_node_url),
        "BILLCOIN_RELAYER_KEY_FILE": str(settings.relayer_key_file),
        "BILLCOIN_RELAYER_STUCK_BLOCKS": str(settings.relayer_stuck_blocks),
        "BILLCOIN_RELAYER_POLL_SECONDS": "0.05",
    }


async def submit_to_the_doomed(scene: Scene, body: dict[str, Any], step: str) -> None:
    """Submit to a process that dies at this step, and see it dead without an answer."""
    port = free_port()
    log = scene.folder / "doomed.log"
    process = start_oracle("serve", environment(scene, port=port), log, SERVE_STEPS[step])
    url = f"http://{LOOPBACK}:{port}"

    async def is_ready() -> bool:
        assert process.is_alive(), last_lines(log)
        try:
            async with scene.client.session.get(f"{url}/readyz") as reply:
                return reply.status == 200
        except aiohttp.ClientError:
            return False

    await wait_for(is_ready, "a ready oracle")
    with pytest.raises(aiohttp.ClientError):
        await scene.client.session.post(url + SUBMIT, json=body)
    await killed(process, log)


def last_lines(log: Path) -> str:
    return log.read_text()[-2000:]


async def killed(process: ForkServerProcess, log: Path) -> None:
    await asyncio.to_thread(process.join, 20)
    assert process.exitcode == -signal.SIGKILL, last_lines(log)


@pytest.mark.parametrize("step", SERVE_STEPS)
async def test_an_oracle_that_is_killed_while_it_takes_over_pays_once(
    scene: Scene, step: str
) -> None:
    order = await scene.client.order()
    body = scene.sign(order)
    before = await scene.relayer_nonce()
    await submit_to_the_doomed(scene, body, step)
    is_written = step not in {"nothing written", "signed, not committed"}
    count = await scene.market.ledger.fetchval(
        "SELECT count(*) FROM relay_submission WHERE order_id = $1", order["id"]
    )
    assert count == is_written
    async with watching(scene.settings):
        if is_written:
            # Nobody has to ask again.
            await scene.market.until(order["id"], Status.PAID)
        _, answer = await scene.submit(body, wait=20)
        await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1
    assert await scene.relayer_nonce() == before + 1
    assert await scene.signed_count(answer["relayId"]) == 1


@pytest.mark.parametrize("step", JOBS_STEPS)
async def test_a_watch_that_is_killed_leaves_nothing_undone(
    scene: Scene, proxy: RelayProxy, step: str
) -> None:
    order = await scene.client.order()
    before = await scene.relayer_nonce()
    if step != "seen, not committed":
        proxy.make(Trouble.LOSES)
    _, answer = await scene.submit(scene.sign(order))
    log = scene.folder / "doomed.log"
    await killed(start_oracle("jobs", environment(scene, port=0), log, JOBS_STEPS[step]), log)
    async with watching(scene.settings):
        await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1
    assert await scene.relayer_nonce() == before + 1


@pytest.mark.parametrize("step", REPLACE_STEPS)
async def test_a_watch_that_is_killed_while_it_replaces_pays_once(scene: Scene, step: str) -> None:
    before = await scene.relayer_nonce()
    log = scene.folder / "doomed.log"
    async with scene.without_mining():
        order, answer = await scene.submit_stuck()
        doomed = start_oracle("jobs", environment(scene, port=0), log, REPLACE_STEPS[step])
        await killed(doomed, log)
    async with watching(scene.settings):
        await scene.until_signed(answer["relayId"], 2)
        await scene.until_paid(answer["relayId"])
    assert await scene.transfers_to(order) == 1
    assert await scene.relayer_nonce() == before + 1


async def test_no_log_and_no_table_holds_the_key(scene: Scene) -> None:
    """After all of the above: the processes have logged, and written what they had to."""
    path = scene.settings.relayer_key_file
    assert path is not None
    key = path.read_text().strip().removeprefix("0x")
    log = scene.folder / "doomed.log"
    logged = log.read_text()
    assert "relaying" in logged
    assert key not in logged.lower()
    assert scene.market.chain.http_url not in logged
    tables = await scene.market.ledger.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    for table in [row["table_name"] for row in tables]:
        rows = await scene.market.ledger.fetch(f'SELECT t::text FROM "{table}" t')  # noqa: S608
        assert all(key not in row["t"].lower() for row in rows), table
