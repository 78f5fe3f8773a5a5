"""What clients ask about prices."""

import re

from ledger.errors import RejectedError
from oracle_api.prices.forecast import MAX_HORIZON_DAYS

_ROUND = re.compile(r"rnd_([0-9]{1,20})", re.ASCII)
_DEFAULT_HORIZON_DAYS = 14


def read_round(text: str | None) -> int | None:
    """Where a page of prices ends, as `next` gave it.

    Raises:
        RejectedError: `before_invalid`.
    """
    if text is None:
        return None
    match = _ROUND.fullmatch(text)
    if match is None:
        raise RejectedError("before_invalid", "before must be what `next` said", param="before")
    return int(match.group(1))


def write_round(round_id: int) -> str:
    """The cursor that `read_round` reads."""
    return f"rnd_{round_id}"


def read_horizon(text: str | None) -> int:
    """How many days to forecast.

    Raises:
        RejectedError: `days_invalid`.
    """
    if text is None:
        return _DEFAULT_HORIZON_DAYS
    if not (text.isascii() and text.isdigit() and len(text) <= 3):  # noqa: PLR2004 - before int()
        raise _days_invalid()
    days = int(text)
    if not 1 <= days <= MAX_HORIZON_DAYS:
        raise _days_invalid()
    return days


def _days_invalid() -> RejectedError:
    return RejectedError("days_invalid", f"days must be 1 to {MAX_HORIZON_DAYS}", param="days")
