"""A ledger that a test writes, and an oracle that serves it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator

import access_support
import pytest
import pytest_asyncio
from access_support import Guarded, guarded_oracle
from argon2 import PasswordHasher
from oracle_support import (
    ANYWHERE,
    Client,
    Ledger,
    open_ledger,
    served,
    settings_for,
    until_journal_is_read,
)
from relay_proxy import RelayProxy, open_proxy

from devnet.ports import free_port
from oracle_api.access import passwords

DEFAULT_HASHER = passwords.default_hasher


@pytest.fixture(scope="session", autouse=True)
def _passwords_cost_little() -> Iterator[None]:
    """Hash them in this process without the fifth of a second that guessers are to wait."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(passwords, "default_hasher", lambda: PasswordHasher(1, 8, 1))
        yield


@pytest.fixture
def costly_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash them as for real; ask for it before the oracle."""
    monkeypatch.setattr(passwords, "default_hasher", DEFAULT_HASHER)
    monkeypatch.setattr(access_support, "_HASHES", {})


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    """The indexer's side, registered and empty."""
    async with open_ledger(ledger_url) as ledger:
        yield ledger


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[Client]:
    """An oracle of that ledger, ready to stream."""
    async with served(settings_for(ledger.url)) as client:
        await until_journal_is_read(client)
        yield client


@pytest.fixture
async def lonely() -> AsyncIterator[Client]:
    """An oracle whose database is away."""
    async with served(settings_for(ANYWHERE)) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy() -> AsyncIterator[RelayProxy]:
    """What stands between a relay and its node, for all tests of a module."""
    async with open_proxy() as proxy:
        yield proxy


@pytest.fixture
async def guarded(ledger: Ledger) -> AsyncIterator[Guarded]:
    """An oracle of that ledger where everybody needs an account."""
    async with guarded_oracle(ledger) as guarded:
        yield guarded


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    """A Redis of this test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program,
        *("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            await writer.wait_closed()
            break
    yield f"redis://127.0.0.1:{port}/0"
    if process.returncode is None:
        process.terminate()
        await process.wait()
