"""One node as a source: how well it has served, and whether it was caught lying."""

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from indexer.node import Node
from indexer.rpc import RateLimitedError
from ledger.chain import BlockRef
from ledger.errors import TransientError
from ledger.json_hex import UnprovenError

QUARANTINE_SECONDS = 30.0
"""How long a node that was caught lying is asked last; doubles each time, up to an hour."""

_MAX_QUARANTINE_SECONDS = 3600.0
_MAX_REST_SECONDS = 2.0
_LATENCY_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Evidence:
    """Proof that a node lied: what was asked, what it answered, and which check failed."""

    source: str
    code: str
    message: str
    details: dict[str, Any]
    caught_at: float


@dataclass
class Health:
    """How a source has served; latency in seconds, instants on the monotonic clock."""

    head: BlockRef | None = None
    latency_seconds: float = 0.0
    errors_in_a_row: int = 0
    errors: int = 0
    lies: int = 0
    resting_until: float = 0.0
    quarantined_until: float = 0.0


@dataclass(eq=False)
class Source:
    """A node with its name (its URL without credentials), its sockets and its health."""

    node: Node
    name: str
    health: Health = field(default_factory=Health)

    @property
    def is_quarantined(self) -> bool:
        """Whether it was caught lying lately; it is then asked last and counts in no quorum."""
        return time.monotonic() < self.health.quarantined_until

    @property
    def is_resting(self) -> bool:
        """Whether it is to be left alone: it asked for that, or it has just failed."""
        return time.monotonic() < self.health.resting_until

    def rank(self) -> tuple[bool, int, float]:
        """Sorts the source to ask first to the front."""
        health = self.health
        return (self.is_quarantined, health.errors_in_a_row, health.latency_seconds)

    def served(self, seconds: float) -> None:
        """Note a good answer."""
        health = self.health
        health.errors_in_a_row = 0
        health.latency_seconds += _LATENCY_WEIGHT * (seconds - health.latency_seconds)

    def failed(self, error: TransientError) -> None:
        """Note an answer that did not help; the longer in a row, the longer it may rest."""
        health = self.health
        health.errors += 1
        health.errors_in_a_row += 1
        seconds = (
            error.retry_after_seconds
            if isinstance(error, RateLimitedError)
            else min(0.05 * 2 ** min(health.errors_in_a_row, 10), _MAX_REST_SECONDS)
        )
        health.resting_until = time.monotonic() + seconds

    def lied(self, error: UnprovenError, *, is_alone: bool) -> Evidence:
        """Quarantine the source and give the evidence.

        One that is alone only rests: there is nobody else to ask or to count, and what it says is
        checked either way.
        """
        health = self.health
        health.lies += 1
        if is_alone:
            self.failed(error)
            return self._evidence(error)
        seconds = min(QUARANTINE_SECONDS * 2 ** (health.lies - 1), _MAX_QUARANTINE_SECONDS)
        health.quarantined_until = time.monotonic() + seconds
        return self._evidence(error)

    def _evidence(self, error: UnprovenError) -> Evidence:
        return Evidence(self.name, error.code, str(error), error.details, time.time())


def source_name(url: str) -> str:
    """A URL without what must not be logged: user, password, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
