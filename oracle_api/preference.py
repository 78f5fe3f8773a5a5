"""`Prefer: wait=N` of RFC 7240: how long a client likes us to hold its request."""

import re
from collections.abc import Iterable

_WAIT = re.compile(rb"""(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,6})"?\s*(?=[,;]|$)""", re.IGNORECASE)


def preferred_wait(headers: Iterable[tuple[bytes, bytes]], *, max_seconds: float) -> float:
    """The seconds to hold a request, at most `max_seconds`; 0 without the preference.

    A preference that cannot be read is ignored, as the RFC wants.
    """
    for name, value in headers:
        if name == b"prefer" and (match := _WAIT.search(value)):
            return min(float(match.group(1)), max_seconds)
    return 0.0


def applied(wait_seconds: float) -> tuple[tuple[bytes, bytes], ...]:
    """The header that tells a client that its preference was honoured, if it had one."""
    if not wait_seconds:
        return ()
    return ((b"preference-applied", b"wait=%d" % wait_seconds),)
