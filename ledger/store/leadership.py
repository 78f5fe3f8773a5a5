"""Who may write the ledger: the one session that holds the advisory lock and shows life."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import asyncpg

from ledger.store.pool import Connection, prepared

# Two 32-bit keys: ours, and the chain's id folded into 31 bits.
TRY_LOCK = "SELECT pg_try_advisory_lock($1, $2)"

PULSE = "SELECT 1"

SILENCE_SECONDS = 5
"""How long a leader may be silent before the server ends its session, and with it the lock."""

PULSE_SECONDS = 1.0

_NAMESPACE = 0x42494C4C  # "BILL"
# A statement that takes longer than this has lost its server; the block transaction takes
# milliseconds, and a thousand blocks seconds.
_STATEMENT_TIMEOUT_SECONDS = 60.0

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection


class LeaderConnection(_Connection):
    """A connection whose statements take turns, so that the pulse fits between the others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._turn = asyncio.Lock()

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        """As the driver's, one at a time."""
        async with self._turn:
            return await super().execute(*arguments, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        """As the driver's, one at a time."""
        async with self._turn:
            return await super().fetch(*arguments, **options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
        """As the driver's, one at a time."""
        async with self._turn:
            return await super().fetchrow(*arguments, **options)

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:
        """As the driver's, one at a time."""
        async with self._turn:
            return await super().fetchval(*arguments, **options)

    async def copy_to_table(self, *arguments: Any, **options: Any) -> Any:
        """As the driver's, one at a time."""
        async with self._turn:
            return await super().copy_to_table(*arguments, **options)


async def connect_to_lead(database_url: str, *, application_name: str) -> Connection:
    """Open the session of a leader or a standby.

    A process that is stopped, or cut off from the server, keeps its sockets open as far as the
    server can see. So the server itself ends a session that is silent: the lock is free, and
    whatever the process tries when it wakes up fails.
    """
    connection: Connection = await asyncpg.connect(
        database_url,
        connection_class=LeaderConnection,
        command_timeout=_STATEMENT_TIMEOUT_SECONDS,
        server_settings={
            "application_name": application_name,
            "idle_session_timeout": f"{SILENCE_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{SILENCE_SECONDS}s",
        },
    )
    return await prepared(connection)


async def try_lead(connection: Connection, chain_id: int) -> bool:
    """Try to become the leader for this chain; leadership lasts as long as the session.

    The leader writes on this same connection, so that losing the lock is losing the pen.
    """
    leads: bool = await connection.fetchval(TRY_LOCK, _NAMESPACE, chain_id & 0x7FFFFFFF)
    return leads


async def show_life(connection: Connection) -> None:
    """Break the silence again and again, until cancelled or until the session is lost."""
    while True:
        # Between a failed statement and its rollback; that breaks the silence as well.
        with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
            await connection.execute(PULSE)
        await asyncio.sleep(PULSE_SECONDS)
