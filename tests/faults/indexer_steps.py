"""The real indexer, one head at a time: what its own loop does, with a test's hand on the clock."""

import contextlib
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

from indexer.follow import Follower
from indexer.heads import Announcement, Heads
from indexer.source import Source
from indexer.sources import Sources
from ledger.chain import BlockRef
from ledger.deployment import Deployment
from ledger.errors import TransientError
from ledger.store.cursor import TipMovedError, read_cursor, register
from ledger.store.pool import Connection


class CrashedError(ConnectionError):
    """The indexer's connection broke on purpose."""


class FragileConnection:
    """A connection that breaks before its n-th statement, as a process that is killed does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements_left: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        self._count()
        return await self._connection.execute(*arguments, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        self._count()
        return await self._connection.fetch(*arguments, **options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
        self._count()
        return await self._connection.fetchrow(*arguments, **options)

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:
        self._count()
        return await self._connection.fetchval(*arguments, **options)

    def _count(self) -> None:
        if self.statements_left is not None:
            self.statements_left -= 1
            if self.statements_left < 0:
                self.statements_left = None
                raise CrashedError("killed")


class Clock:
    """The clock, in the test's hand, by which the indexer lets a node rest or out of quarantine."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.module = SimpleNamespace(monotonic=lambda: self.seconds, time=lambda: self.seconds)


class IndexerSteps:
    """An indexer that a test moves; several on one ledger are leaders who do not know it."""

    def __init__(
        self, connection: Connection, sources: Sources, deployment: Deployment, clock: Clock
    ) -> None:
        self.connection = FragileConnection(connection)
        self._sources = sources
        self._deployment = deployment
        self._clock = clock
        self._follower: Follower | None = None

    async def register(self) -> None:
        anchor = await self._sources.header_by_number(0)
        async with self.connection.transaction():
            await register(self._connection, self._deployment, anchor=anchor)

    async def step(self, source: Source, *, asks_around: bool = True) -> str:
        """Look for a node's head and follow it; tells how that went."""
        return await self._guarded(self._follow(source, asks_around=asks_around))

    async def deepen(self) -> str:
        """What the loop does when no head came for a while."""
        return await self._guarded(self._deepen())

    async def _guarded(self, work: Coroutine[Any, Any, str]) -> str:
        """Take errors as the indexer's own loop takes them."""
        try:
            return await work
        except TipMovedError:
            self._follower = None
            return "overtaken"
        except CrashedError:
            self._follower = None
            return "crashed"
        except TransientError as error:
            return getattr(error, "code", type(error).__name__)

    async def _follow(self, source: Source, *, asks_around: bool) -> str:
        follower = self._follower or await self._start()
        if asks_around:
            await self._ask_around(follower)
            await self._look_around(source)
        header = await source.node.head()
        head = source.health.head = BlockRef(header.number, header.hash)
        await follower._advance(Announcement(head, source, self._clock.seconds))
        return "followed"

    async def _deepen(self) -> str:
        follower = self._follower or await self._start()
        await self._ask_around(follower)
        await follower._deepen()
        return "deepened"

    async def _look_around(self, watched: Source) -> None:
        """What the watches of the other nodes have learnt meanwhile."""
        for source in self._sources.all:
            if source is not watched:
                with contextlib.suppress(TransientError):
                    header = await source.node.head()
                    source.health.head = BlockRef(header.number, header.hash)

    async def _ask_around(self, follower: Follower) -> None:
        with contextlib.suppress(TransientError):
            await follower._consensus._ask()

    @property
    def _connection(self) -> Connection:
        connection: Any = self.connection
        return connection

    async def _start(self) -> Follower:
        cursor = await read_cursor(self._connection, self._deployment.chain_id)
        assert cursor is not None
        self._follower = Follower(
            self._connection,
            self._sources,
            Heads(),
            cursor,
            chain_id=self._deployment.chain_id,
            block_time_seconds=1.0,
            catch_up_concurrency=4,
        )
        return self._follower
