"""What the indexer saw at the nodes last, and whether it has halted."""

from dataclasses import dataclass
from datetime import datetime

from ledger.confidence import Observation
from ledger.store.pool import Connection
from ledger.verification import Verification

RECORD = """
INSERT INTO observation
    (chain_id, head_number, nodes_agreeing, nodes_asked, checked_at, verification)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (chain_id) DO UPDATE SET
    head_number = excluded.head_number, nodes_agreeing = excluded.nodes_agreeing,
    nodes_asked = excluded.nodes_asked, checked_at = excluded.checked_at,
    verification = excluded.verification
"""

HALT = """
INSERT INTO observation
    (chain_id, head_number, nodes_agreeing, nodes_asked, checked_at, halt_code, halt_reason)
VALUES ($1, 0, 0, 0, now(), $2, $3)
ON CONFLICT (chain_id) DO UPDATE SET
    halt_code = excluded.halt_code, halt_reason = excluded.halt_reason
"""

RESUME = """
UPDATE observation SET halt_code = NULL, halt_reason = NULL
FROM (
    SELECT halt_code AS code, halt_reason AS reason
    FROM observation WHERE chain_id = $1 AND halt_code IS NOT NULL FOR UPDATE
) halt
WHERE chain_id = $1
RETURNING halt.code, halt.reason
"""

READ = """
SELECT head_number, nodes_agreeing, nodes_asked,
       extract(epoch FROM checked_at)::float8 AS checked_at, halt_code, halt_reason, verification
FROM observation WHERE chain_id = $1
"""


async def record_observation(
    connection: Connection,
    chain_id: int,
    *,
    head_number: int,
    nodes_agreeing: int,
    nodes_asked: int,
    checked_at: datetime,
    verification: Verification = Verification.FULL,
) -> None:
    """Keep what the nodes said at `checked_at`; a halt stays until it is resumed."""
    await connection.execute(
        RECORD, chain_id, head_number, nodes_agreeing, nodes_asked, checked_at, str(verification)
    )


async def record_halt(connection: Connection, chain_id: int, *, code: str, reason: str) -> None:
    """Note that the indexer has halted, so that every oracle refuses from now on."""
    await connection.execute(HALT, chain_id, code, reason)


@dataclass(frozen=True, slots=True)
class Halt:
    """Why the indexer had stopped."""

    code: str
    reason: str


async def clear_halt(connection: Connection, chain_id: int) -> Halt | None:
    """Forget a halt, when the operator has resolved it, and tell which; None where there is none.

    Of several at once one is told of it.
    """
    row = await connection.fetchrow(RESUME, chain_id)
    return None if row is None else Halt(**row)


async def read_observation(connection: Connection, chain_id: int) -> Observation | None:
    """The last observation, or None before the first one."""
    row = await connection.fetchrow(READ, chain_id)
    if row is None:
        return None
    fields = dict(row) | {"verification": Verification(row["verification"])}
    return Observation(**fields)
