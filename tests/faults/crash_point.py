"""Where in a transaction a process is to die, and the trap in the driver that kills it there."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any, Literal

import asyncpg

from ledger.store.leadership import PULSE

BEGIN = "BEGIN;"
COMMIT = "COMMIT;"
METHODS = ("execute", "fetch", "fetchrow", "fetchval", "copy_to_table")
AT_COMMIT = 0
Moment = Literal["before", "sent", "after"]
Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """The moment at which to die, or stop; both numbers count from 1, BEGIN being statement 1.

    Statement `AT_COMMIT` is the last one, whichever number it has.

    `sent` is the moment at which the server has the statement and the process no answer yet.
    """

    statement: int
    moment: Moment
    transaction: int = 1
    sent: Signals = Signals.SIGKILL


@dataclass(slots=True)
class Trap:
    """Counts the statements of writing transactions, notes each, and kills at the crash point."""

    point: CrashPoint | None
    trace_path: Path
    transactions: int = 0
    statement: int = 0
    query: str = ""
    writer: Any = field(default=None)

    def enters(self, connection: Any, query: str) -> bool:
        """Whether this statement counts; a reading transaction begins with other words.

        The leader's pulse comes between any two statements, by the clock, and belongs to none.
        """
        if query == PULSE:
            return False
        if query == BEGIN:
            self.writer, self.statement = connection, 0
            self.transactions += 1
        if self.writer is not connection:
            return False
        self.statement += 1
        self.query = query
        with self.trace_path.open("a") as trace:
            trace.write(f"{self.transactions}\t{self.statement}\t{_name(query)}\n")
        return True

    def leaves(self, query: str) -> None:
        if query == COMMIT:
            self.writer = None

    def strike(self, moment: Moment) -> None:
        """Die if this is the moment; nothing is flushed, closed or said goodbye to."""
        if self.is_at(moment):
            assert self.point is not None
            os.kill(os.getpid(), self.point.sent)

    def is_at(self, moment: Moment) -> bool:
        if self.point is None:
            return False
        is_commit = self.point.statement == AT_COMMIT and self.query == COMMIT
        statement = AT_COMMIT if is_commit else self.statement
        wanted = (self.point.statement, self.point.moment, self.point.transaction)
        return wanted == (statement, moment, self.transactions)


def set_trap(trap: Trap) -> None:
    """Have every statement of this process pass the trap."""
    for name in METHODS:
        setattr(asyncpg.Connection, name, _trapped(getattr(asyncpg.Connection, name), trap))


def _trapped(call: Call, trap: Trap) -> Call:
    is_copy = call.__name__ == "copy_to_table"

    async def guarded(connection: Any, subject: str, *arguments: Any, **options: Any) -> Any:
        query = f"COPY {subject}" if is_copy else subject
        if not trap.enters(connection, query):
            return await call(connection, subject, *arguments, **options)
        trap.strike("before")
        if trap.is_at("sent"):
            answer = asyncio.ensure_future(call(connection, subject, *arguments, **options))
            # The driver writes to the socket as soon as it runs, and reads only after that.
            await asyncio.sleep(0)
            trap.strike("sent")
            await answer
        result = await call(connection, subject, *arguments, **options)
        trap.strike("after")
        trap.leaves(query)
        return result

    return guarded


def _name(query: str) -> str:
    return " ".join(query.split())[:40]
