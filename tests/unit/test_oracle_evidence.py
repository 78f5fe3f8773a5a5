"""Questions share statements, each answered from an instant after it was asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest

from ledger.deployment import Deployment
from oracle_api.database import Database
from oracle_api.payments import evidence
from oracle_api.payments.evidence import EvidenceReader
from oracle_api.problems import UnavailableError

DEPLOYMENT = Deployment(1, b"\1" * 20, b"\2" * 20, b"\3" * 20, b"\4" * 20)


class Wire:
    """Stands in for the database; answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.failures: list[Exception] = []
        self.dropped = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(
        self, _: Any, __: int, tx_hashes: Collection[bytes]
    ) -> dict[bytes, tuple[int, bytes]]:
        number = len(self.batches)
        self.batches.append(list(tx_hashes))
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return {tx_hash: (number, tx_hash) for tx_hash in tx_hashes}

    async def connect(self, *_: Any) -> "Wire":
        return self

    def terminate(self) -> None:
        self.dropped += 1


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()

    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(evidence, "read_evidences", wire.read)
    monkeypatch.setattr(evidence, "prefer_indexes", nothing)
    monkeypatch.setattr(Database, "connect", wire.connect)
    monkeypatch.setattr(Database, "check", nothing)
    return wire


@contextlib.asynccontextmanager
async def reading() -> AsyncIterator[Any]:
    reader: Any = EvidenceReader(Database("postgresql://nowhere", DEPLOYMENT))
    lane = asyncio.create_task(reader.run_lane())
    yield reader
    lane.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await lane


async def test_who_asks_while_a_statement_runs_shares_the_next(wire: Wire) -> None:
    wire.gate.clear()
    async with reading() as reader:
        first = asyncio.create_task(reader.read(b"a"))
        await asyncio.sleep(0.01)
        later = [asyncio.create_task(reader.read(name)) for name in (b"a", b"b", b"b", b"c")]
        await asyncio.sleep(0.01)
        wire.gate.set()
        assert await first == (0, b"a")
        # Also the same question: the running statement may not have seen the newest block.
        answers = await asyncio.gather(*later)
    assert answers == [(1, b"a"), (1, b"b"), (1, b"b"), (1, b"c")]
    assert [sorted(batch) for batch in wire.batches] == [[b"a"], [b"a", b"b", b"c"]]


async def test_a_batch_has_a_limit(wire: Wire) -> None:
    async with reading() as reader:
        names = [number.to_bytes(2) for number in range(evidence.MAX_BATCH + 10)]
        answers = await asyncio.gather(*(reader.read(name) for name in names))
    assert [name for _, name in answers] == names
    assert max(len(batch) for batch in wire.batches) == evidence.MAX_BATCH


async def test_a_dead_connection_is_replaced_before_anybody_notices(wire: Wire) -> None:
    async with reading() as reader:
        await reader.read(b"a")
        wire.failures = [ConnectionResetError()]
        assert (await reader.read(b"b"))[1] == b"b"
    assert wire.dropped == 2


async def test_a_database_that_stays_away_is_said_and_then_found_again(wire: Wire) -> None:
    async with reading() as reader:
        wire.failures = [ConnectionResetError()]
        with pytest.raises(UnavailableError) as refusal:
            await reader.read(b"a")
        assert refusal.value.code == "database_unavailable"
        assert (await reader.read(b"a"))[1] == b"a"


async def test_an_error_nobody_thought_of_reaches_the_asker_and_ends_no_lane(wire: Wire) -> None:
    async with reading() as reader:
        wire.failures = [ZeroDivisionError()]
        with pytest.raises(ZeroDivisionError):
            await reader.read(b"a")
        assert (await reader.read(b"a"))[1] == b"a"


async def test_an_asker_that_gave_up_harms_nobody(wire: Wire) -> None:
    wire.gate.clear()
    async with reading() as reader:
        gone = asyncio.create_task(reader.read(b"a"))
        kept = asyncio.create_task(reader.read(b"a"))
        await asyncio.sleep(0.01)
        gone.cancel()
        wire.gate.set()
        assert (await kept)[1] == b"a"
