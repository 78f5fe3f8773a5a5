"""A network that drops everything without a word: nothing says that the database is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from oracle_support import Ledger, served, settings_for, until_journal_is_read


class Wire:
    """Carries connections to the database, until those that are open are cut without a word."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._cut = asyncio.Event()

    def cut(self) -> None:
        self._cut.set()
        self._cut = asyncio.Event()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = self._cut
        there = await asyncio.open_connection(*self._target)
        ways = ((reader, there[1]), (there[0], writer))
        await asyncio.gather(*(self._pass_on(source, sink, cut) for source, sink in ways))
        for one in (there[1], writer):
            one.close()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, cut: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while part := await source.read(65536):
                if not cut.is_set():
                    sink.write(part)
            if not cut.is_set():
                sink.write_eof()


@contextlib.asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[tuple[Wire, str]]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    wire = Wire(parts.hostname, parts.port)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    there = parts.netloc.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}")
    try:
        yield wire, urlunsplit(parts._replace(netloc=there))
    finally:
        server.close()


async def test_tills_hear_again_when_the_journal_s_connection_is_dead_without_a_word(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle_api.stream.listener.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("oracle_api.database.STATEMENT_TIMEOUT_SECONDS", 0.5)
    async with (
        wire_to(ledger.url) as (wire, url),
        served(settings_for(url)) as cut_off,
        served(settings_for(ledger.url)) as other,
    ):
        await until_journal_is_read(cut_off)
        await until_journal_is_read(other)
        async with cut_off.stream() as stream:
            assert (await stream.next()).event == "snapshot"
            wire.cut()
            order = await other.order()
            created = await stream.next(timeout_seconds=8)
    assert created.data["data"]["orderId"] == order["id"]
