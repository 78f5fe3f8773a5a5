"""Times as the API writes them: RFC 3339, UTC, with a Z."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Gives the time in Unix seconds; passed in, so that tests decide what time it is."""


def rfc3339(moment: datetime) -> str:
    """A moment to the millisecond, as in `2026-04-10T08:15:23.042Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def rfc3339_seconds(unix_seconds: int) -> str:
    """A block's time, as in `2026-04-10T08:15:23Z`: blocks know whole seconds only."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def to_datetime(unix_seconds: float) -> datetime:
    """The moment of a Unix time."""
    return datetime.fromtimestamp(unix_seconds, UTC)
