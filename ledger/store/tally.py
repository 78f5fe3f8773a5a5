"""How many orders stand where, counted once; the journal's events carry the count on."""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.order import Status
from ledger.store.pool import Connection

# One statement, hence one instant: the counts are exactly those after event `last_seq`.
READ = """
SELECT j.last_seq, o.status, o.count, o.ever_paid
FROM journal j LEFT JOIN (
    SELECT status, count(*) AS count, count(paid_at) AS ever_paid FROM orders GROUP BY status
) o ON true
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Orders by status and orders that were ever paid, after the event numbered `last_seq`."""

    last_seq: int
    by_status: Mapping[Status, int]
    ever_paid: int


async def read_tally(connection: Connection) -> Tally:
    """Count the orders; reads all of them, so once per process."""
    rows = await connection.fetch(READ)
    counted = [row for row in rows if row["status"] is not None]
    return Tally(
        last_seq=rows[0]["last_seq"],
        by_status={Status(row["status"]): row["count"] for row in counted},
        ever_paid=sum(row["ever_paid"] for row in counted),
    )
