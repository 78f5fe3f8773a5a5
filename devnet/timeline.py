"""The steps of one sale and when each was seen, since the order and since the broadcast."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ORDER_CREATED = "order_created"
QR = "qr"
BROADCAST = "broadcast"
BLOCK = "block"
PROVEN = "proven"
PAID = "paid"
VERDICT = "verdict"
SETTLED = "settled"


@dataclass(frozen=True)
class Step:
    """One step; `since_broadcast_ms` is None for those before the broadcast."""

    name: str
    since_order_ms: float
    since_broadcast_ms: float | None

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "step": self.name,
            "sinceOrderMs": self.since_order_ms,
            "sinceBroadcastMs": self.since_broadcast_ms,
        }


@dataclass
class Timeline:
    """Marks on one monotonic clock, in seconds; the first mark of a step counts and is told."""

    clock: Callable[[], float]
    say: Callable[[str], None]
    marks: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str, *, ago_seconds: float = 0.0) -> None:
        """Note that the step was seen now, or happened a while ago but not before the broadcast."""
        if name not in self.marks:
            at = self.clock() - max(0.0, ago_seconds)
            self.marks[name] = max(at, self.marks.get(BROADCAST, at))
            self.say(name)

    def steps(self) -> list[Step]:
        """The steps in the order in which they were seen."""
        order, broadcast = self.marks.get(ORDER_CREATED), self.marks.get(BROADCAST)
        return [
            Step(
                name,
                since_order_ms=_milliseconds(at, at if order is None else order),
                since_broadcast_ms=None
                if broadcast is None or at < broadcast
                else _milliseconds(at, broadcast),
            )
            for name, at in sorted(self.marks.items(), key=lambda mark: mark[1])
        ]


def _milliseconds(at_seconds: float, since_seconds: float) -> float:
    return round((at_seconds - since_seconds) * 1000, 1)
