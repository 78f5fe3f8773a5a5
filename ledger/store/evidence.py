"""What nodes were caught with, kept for the operator."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from ledger.store.pool import Connection

INSERT = """
INSERT INTO evidence (chain_id, source, code, message, details, caught_at)
SELECT $1, new.*
FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[]) AS new
"""

# A node that lies all day must not fill the disk: the newest are enough to see how it lies.
PRUNE = """
DELETE FROM evidence WHERE chain_id = $1 AND id <= (
    SELECT id FROM evidence WHERE chain_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1
)
"""

READ = """
SELECT source, code, message, details, caught_at FROM evidence
WHERE chain_id = $1 ORDER BY id DESC LIMIT $2
"""

MAX_KEPT = 1000


class Lie(Protocol):
    """What is kept of a lie; `caught_at` in Unix seconds."""

    @property
    def source(self) -> str:
        """The node's name."""

    @property
    def code(self) -> str:
        """Which check failed."""

    @property
    def message(self) -> str:
        """The same for people."""

    @property
    def details(self) -> dict[str, Any]:
        """The node's own words."""

    @property
    def caught_at(self) -> float:
        """When."""


async def record_evidence(connection: Connection, chain_id: int, lies: Sequence[Lie]) -> None:
    """Keep the evidence, at most the newest thousand."""
    if not lies:
        return
    await connection.execute(
        INSERT,
        chain_id,
        [lie.source for lie in lies],
        [lie.code for lie in lies],
        [lie.message for lie in lies],
        [lie.details for lie in lies],
        [datetime.fromtimestamp(lie.caught_at, UTC) for lie in lies],
    )
    await connection.execute(PRUNE, chain_id, MAX_KEPT)


async def read_evidence_log(
    connection: Connection, chain_id: int, *, limit: int
) -> list[dict[str, Any]]:
    """The newest evidence first."""
    return [dict(row) for row in await connection.fetch(READ, chain_id, limit)]
