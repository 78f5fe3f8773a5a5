"""The dated versions of the API: which one a request asks for, and which one answers it."""

from typing import Any, Final

from ledger.errors import RejectedError

CURRENT: Final = b"2026-11-24"
SUPPORTED: Final = (CURRENT,)
"""Newest first. What may change within one is in docs/partner.md."""

NAME: Final = "BillCoin-Version"
HEADER_NAME: Final = b"billcoin-version"
HEADER: Final = (HEADER_NAME, CURRENT)
"""Goes with every answer."""


class UnknownVersionError(RejectedError):
    """The request was written for a version that is not spoken here."""

    def __init__(self) -> None:
        known = ", ".join(supported())
        super().__init__("version_unknown", f"this oracle speaks: {known}", param=NAME)

    @property
    def more(self) -> dict[str, Any]:
        """What the problem document says besides."""
        return {"versions": supported()}


def supported() -> list[str]:
    """The versions as text, newest first."""
    return [version.decode() for version in SUPPORTED]
