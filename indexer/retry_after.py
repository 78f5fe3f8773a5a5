"""How long a node asks to be left alone: both forms of Retry-After (RFC 9110, section 10.2.3)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 60.0
"""A node is left alone no longer than this, whatever it asks for."""

_UNTOLD_SECONDS = 1.0
# The specification knows whole seconds only; some nodes tell parts of one.
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def read_retry_after(header: str | None, *, now: datetime) -> float:
    """The header's seconds, or those from `now` to its date; a date that is past is 0.

    What is in neither form says no time: waiting a moment and asking again is then as good.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return _UNTOLD_SECONDS
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # its oldest form names no zone; all are in UTC
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)
