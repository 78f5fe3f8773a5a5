"""Lists can be filtered and come in pages, newest first, each naming the cursor of the next."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from ledger.errors import RejectedError

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 50
MAX_CURSOR: Final = 128
"""Characters; more than any list's, so that one of another list is told as what it is."""

Entry = TypeVar("Entry")
AnyStatus = TypeVar("AnyStatus", bound=StrEnum)


def read_limit(text: str | None, *, default: int = DEFAULT_LIMIT) -> int:
    """How many entries a page may have.

    Raises:
        RejectedError: `limit_invalid`.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):  # noqa: PLR2004 - before int() reads it
        raise RejectedError("limit_invalid", f"limit must be 1 to {MAX_LIMIT}", param="limit")
    return int(text)


def read_before(text: str | None, *, prefix: str) -> str | None:
    """Where a page ends: an id, as `next` gave it.

    Raises:
        RejectedError: `before_invalid`.
    """
    if text is not None and not is_id(text, prefix=prefix):
        raise RejectedError(
            "before_invalid", f"before must be an id that begins with {prefix}_", param="before"
        )
    return text


def read_status(text: str | None, *, known: Sequence[str]) -> str | None:
    """The one status that a list is filtered by.

    Raises:
        RejectedError: `status_unknown`.
    """
    if text is not None and text not in known:
        raise RejectedError(
            "status_unknown", f"status must be one of: {', '.join(known)}", param="status"
        )
    return text


def read_statuses(
    text: str | None, kind: type[AnyStatus], *, default: Sequence[AnyStatus]
) -> Sequence[AnyStatus]:
    """The comma-separated statuses that a list is filtered by.

    Raises:
        RejectedError: `status_unknown`.
    """
    if text is None:
        return default
    try:
        return sorted({kind(name) for name in text.split(",")})
    except ValueError:
        names = ", ".join(kind)
        raise RejectedError(
            "status_unknown", f"status must be a list of: {names}", param="status"
        ) from None


def is_id(text: str, *, prefix: str) -> bool:
    """Whether this can be one of our sortable ids."""
    return _id_pattern(prefix).fullmatch(text) is not None


@lru_cache(maxsize=64)
def _id_pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(prefix)}_[0-9a-z]{{26}}", re.ASCII)


def cut_page(
    found: Sequence[Entry], limit: int, cursor: Callable[[Entry], str]
) -> tuple[Sequence[Entry], str | None]:
    """The page and the cursor of the next, if there is one: `found` was read up to `limit + 1`."""
    page = found[:limit]
    return page, cursor(page[-1]) if len(found) > limit else None


def page_document(data: Sequence[Any], *, next_cursor: str | None) -> dict[str, Any]:
    """A page as it goes over the wire; `next` is what `before` takes."""
    return {"data": list(data), "hasMore": next_cursor is not None, "next": next_cursor}
