"""When a delivery is tried again, and when it is given up."""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

PAUSES: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        5,
        5 * 60,
        30 * 60,
        2 * 3_600,
        5 * 3_600,
        10 * 3_600,
        14 * 3_600,
        20 * 3_600,
        24 * 3_600,
    )
)
"""Between ten attempts, as the Standard Webhooks specification proposes: three days in all."""

MAX_ATTEMPTS: Final = len(PAUSES) + 1
JITTER: Final = 0.2
"""Each pause is longer by up to this share, so that what failed together does not return so."""

MAX_RETRY_AFTER: Final = timedelta(hours=24)
"""A receiver may ask for more time with Retry-After, but not for more than this."""

DISABLE_AFTER: Final = timedelta(days=5)
"""An endpoint at which every attempt has failed for so long is disabled."""

_MAX_DIGITS: Final = 9


def next_attempt(
    step: int, *, now: datetime, retry_after: timedelta | None, chance: Callable[[], float]
) -> datetime | None:
    """When to try again after the attempt number `step`, counted from 0; None when to give up.

    `chance` draws from 0 to 1.
    """
    if step >= len(PAUSES):
        return None
    pause = PAUSES[step] * (1 + JITTER * chance())
    if retry_after is not None:
        pause = max(pause, min(retry_after, MAX_RETRY_AFTER))
    return now + pause


def read_retry_after(text: str | None, *, now: datetime) -> timedelta | None:
    """What a receiver asks for: seconds or a date (RFC 9110); None for anything else."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        # A longer number is more than the limit, whatever it is.
        return timedelta(seconds=int(text)) if len(text) <= _MAX_DIGITS else MAX_RETRY_AFTER
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(moment - now, timedelta(0))
