"""The queue of jobs as an operator sees it; the rest of its statements are the library's."""

from dataclasses import dataclass
from datetime import datetime

from ledger.store.pool import Connection

FORGET_LOG = "DELETE FROM pgqueuer_log WHERE created < $1"
FORGET_STATISTICS = "DELETE FROM pgqueuer_statistics WHERE created < $1"

COUNT = """
SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
       count(*) FILTER (WHERE status = 'picked') AS being_done,
       count(*) FILTER (WHERE status = 'failed') AS held,
       coalesce(extract(epoch FROM now() - min(execute_after) FILTER (
           WHERE status = 'queued' AND execute_after < now()
       )), 0)::float8 AS oldest_due_seconds
FROM pgqueuer
"""

PROCESSES = """
SELECT count(DISTINCT application_name) FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(application_name, $1)
"""


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """How many jobs wait, are being done or are held, and how late the oldest that is due is."""

    queued: int
    being_done: int
    held: int
    oldest_due_seconds: float


async def forget_jobs_before(connection: Connection, moment: datetime) -> int:
    """Delete the log and the statistics of jobs before a moment; returns how many rows."""
    done = [await connection.execute(sql, moment) for sql in (FORGET_LOG, FORGET_STATISTICS)]
    return sum(int(status.split()[-1]) for status in done)


async def read_queue_standing(connection: Connection) -> QueueStanding:
    """Where the queue stands now."""
    row = await connection.fetchrow(COUNT)
    if row is None:
        raise RuntimeError("an aggregate has always a row")
    return QueueStanding(*row)


async def count_processes(connection: Connection, name_prefix: str) -> int:
    """How many processes are connected, each by a name of its own that begins with the prefix."""
    count: int = await connection.fetchval(PROCESSES, name_prefix)
    return count
