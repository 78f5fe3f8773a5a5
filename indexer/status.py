"""Where the ledger stands, for people and for scripts."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ledger.json_hex import to_hex
from ledger.store.cursor import require_cursor
from ledger.store.observation import read_observation
from ledger.store.pool import Connection

_SILENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class IndexerStatus:
    """A snapshot; ages in seconds, None where nothing was observed yet."""

    chain_id: int
    tip_number: int
    tip_hash: str
    tip_age_seconds: float
    safe_number: int
    finalized_number: int
    head_number: int | None = None
    blocks_behind: int | None = None
    observation_age_seconds: float | None = None
    halt_code: str | None = None
    halt_reason: str | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether an indexer is at work and has not halted."""
        return (
            self.halt_code is None
            and self.observation_age_seconds is not None
            and abs(self.observation_age_seconds) <= _SILENT_SECONDS
        )

    def as_json(self) -> dict[str, Any]:
        """The snapshot as `--json` prints it."""
        return asdict(self) | {"healthy": self.is_healthy}


async def read_status(connection: Connection, chain_id: int) -> IndexerStatus:
    """Read the snapshot.

    Raises:
        RejectedError: `ledger_empty`.
    """
    cursor = await require_cursor(connection, chain_id)
    observation = await read_observation(connection, chain_id)
    now = datetime.now(UTC).timestamp()
    seen = IndexerStatus(
        chain_id=chain_id,
        tip_number=cursor.tip.number,
        tip_hash=to_hex(cursor.tip.hash),
        tip_age_seconds=round(now - cursor.tip_timestamp, 3),
        safe_number=cursor.safe_number,
        finalized_number=cursor.finalized.number,
    )
    if observation is None:
        return seen
    return replace(
        seen,
        head_number=observation.head_number,
        blocks_behind=max(0, observation.head_number - cursor.tip.number),
        observation_age_seconds=round(now - observation.checked_at, 3),
        halt_code=observation.halt_code,
        halt_reason=observation.halt_reason,
    )
