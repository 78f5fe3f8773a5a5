"""Reads evidence for many validations with few statements.

Requests that arrive while a statement runs share the next one. So a lone request pays no delay,
and under load the database answers hundreds at once, always from an instant after each was asked.
"""

import asyncio
import contextlib
from collections import defaultdict

import structlog

from ledger.store.lookup import Evidence, prefer_indexes, read_evidences
from ledger.store.pool import Connection
from oracle_api.database import Database, availability
from oracle_api.problems import UnavailableError

LANES = 2
"""Connections in use at once: one statement runs while the other's answers are written."""

MAX_BATCH = 256
READ_TIMEOUT_SECONDS = 5.0

log = structlog.get_logger()

Waiting = dict[bytes, list[asyncio.Future[Evidence]]]


class EvidenceReader:
    """Answers what the ledger holds about a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chain_id = database.deployment.chain_id
        self._waiting: defaultdict[bytes, list[asyncio.Future[Evidence]]] = defaultdict(list)
        self._is_asked = asyncio.Event()

    async def read(self, tx_hash: bytes) -> Evidence:
        """What the ledger holds about a transaction, at an instant after this call.

        Raises:
            UnavailableError: the database is away, not ready, or about something else.
        """
        waiter: asyncio.Future[Evidence] = asyncio.get_running_loop().create_future()
        self._waiting[tx_hash].append(waiter)
        self._is_asked.set()
        return await waiter

    async def run_lane(self) -> None:
        """Answer for ever, over one connection that is made again when it is lost."""
        connection: Connection | None = None
        try:
            while True:
                await self._is_asked.wait()
                batch = self._take()
                try:
                    connection = await self._answer(batch, connection)
                except Exception as error:
                    if not isinstance(error, UnavailableError):
                        log.exception("reading evidence failed")
                    _fail(batch, error)
                    _drop(connection)
                    connection = None
        finally:
            _drop(connection)

    def _take(self) -> Waiting:
        batch: Waiting = {}
        while self._waiting and len(batch) < MAX_BATCH:
            # The oldest first, or someone would wait for ever under load.
            tx_hash = next(iter(self._waiting))
            batch[tx_hash] = self._waiting.pop(tx_hash)
        if not self._waiting:
            self._is_asked.clear()
        return batch

    async def _answer(self, batch: Waiting, connection: "Connection | None") -> "Connection | None":
        if not batch:
            return connection
        if connection is not None:
            # It may have died while nobody asked: then the answer comes over a new one.
            with contextlib.suppress(UnavailableError):
                await self._read(batch, connection)
                return connection
            _drop(connection)
        connection = await self._database.connect()
        try:
            with availability():
                await self._database.check(connection)
                await prefer_indexes(connection)
            await self._read(batch, connection)
        except BaseException:
            # Nobody else knows it yet: left open, each failure would take a session for good.
            connection.terminate()
            raise
        return connection

    async def _read(self, batch: Waiting, connection: Connection) -> None:
        with availability():
            async with asyncio.timeout(READ_TIMEOUT_SECONDS):
                found = await read_evidences(connection, self._chain_id, list(batch))
        if not found:
            raise UnavailableError("ledger_empty", "the indexer has not registered its chain yet")
        for tx_hash, waiters in batch.items():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(found[tx_hash])


def _fail(batch: Waiting, error: Exception) -> None:
    for waiters in batch.values():
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)


def _drop(connection: "Connection | None") -> None:
    if connection is not None:
        connection.terminate()
