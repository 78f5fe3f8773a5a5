"""Reads the journal as it grows, over one LISTEN connection that heals itself."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from ledger.store.journal import CHANNEL, JournalEvent, read_events_after, read_last_seq
from ledger.store.pool import Connection
from ledger.store.tally import Tally, read_tally
from oracle_api.database import Database, availability
from oracle_api.problems import UnavailableError
from oracle_api.stream.hub import Hub

PAGE_EVENTS = 500
LOOK_SECONDS = 5.0
"""How often we look without having been told: a notification can be lost with its connection."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

log = structlog.get_logger()


class Totals(Protocol):
    """Whoever counts orders along with the journal."""

    def start(self, tally: Tally) -> None:
        """Take over a count."""

    def add(self, events: Sequence[JournalEvent]) -> None:
        """Carry the count on."""


class Listener:
    """Feeds a hub, and whoever counts, with every event of the journal, once and in order."""

    def __init__(self, database: Database, hub: Hub, totals: Totals) -> None:
        self._database = database
        self._hub = hub
        self._totals = totals
        self._told = asyncio.Event()

    async def run(self) -> None:
        """Follow the journal for ever; a lost connection is made again."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._connected() as connection:
                    pause_seconds = FIRST_PAUSE_SECONDS
                    await self._follow(connection)
            except UnavailableError as error:
                log.warning("the journal cannot be read", code=error.code, detail=str(error))
            except Exception:
                # Whatever it was, a till must not stay deaf because of it.
                log.exception("reading the journal failed")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    @contextlib.asynccontextmanager
    async def _connected(self) -> Any:
        connection = await self._database.connect()
        try:
            connection.add_termination_listener(self._on_termination)
            with availability():
                await connection.add_listener(CHANNEL, self._on_notification)
                yield connection
        finally:
            connection.terminate()

    async def _follow(self, connection: Connection) -> None:
        tail = self._hub.tail
        # A standby that took over without the newest transactions has other events under numbers
        # that we have told already; carrying on would skip them, and with them a "Paid".
        if tail is None or await read_last_seq(connection) < tail.last_seq:
            tally = await read_tally(connection)
            self._totals.start(tally)
            self._hub.start(tally.last_seq)
        while not connection.is_closed():
            self._told.clear()
            await self._read_on(connection)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._told.wait()

    async def _read_on(self, connection: Connection) -> None:
        tail = self._hub.tail
        if tail is None:
            raise RuntimeError("the hub has not started")
        while events := await read_events_after(connection, tail.last_seq, limit=PAGE_EVENTS):
            self._totals.add(events)
            self._hub.publish(events)
            if len(events) < PAGE_EVENTS:
                break
        self._hub.ledger_changed()

    def _on_notification(self, *_: Any) -> None:
        self._told.set()

    def _on_termination(self, _: Any) -> None:
        self._told.set()
