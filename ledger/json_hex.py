"""Ethereum JSON-RPC's hex strings, read strictly."""

from typing import Any

from ledger.errors import TransientError
from ledger.usual import decode_data


class UnprovenError(TransientError):
    """A node's answer does not check; another answer, or another node's, may.

    `code` says which check failed, stable for metrics and evidence; `details` is what whoever
    asked adds as evidence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.details: dict[str, Any] = {}


def read_data(value: Any, *, field: str, length: int | None = None) -> bytes:
    """Read unformatted data (`0x` and an even number of digits) of `length` bytes, if given.

    Raises:
        UnprovenError: `field_malformed`.
    """
    if length is not None and (usual := decode_data(value, length)) is not None:
        return usual
    if not isinstance(value, str) or value[:2] != "0x":
        raise UnprovenError("field_malformed", f"{field} is not hex data")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError as error:
        raise UnprovenError("field_malformed", f"{field} is not hex data") from error
    if len(value) != 2 + 2 * len(data) or (length is not None and len(data) != length):
        raise UnprovenError("field_malformed", f"{field} has the wrong length")
    return data


def read_quantity(value: Any, *, field: str) -> int:
    """Read a quantity (`0x0`, no leading zeros, at most 256 bits).

    Raises:
        UnprovenError: `field_malformed`.
    """
    if (
        not isinstance(value, str)
        or not 3 <= len(value) <= 66  # noqa: PLR2004 - 0x and one to 64 digits
        or value[:2] != "0x"
        or (value[2] == "0" and len(value) > 3)  # noqa: PLR2004 - only zero itself begins so
        or not (value.isascii() and value[2:].isalnum())
    ):
        raise UnprovenError("field_malformed", f"{field} is not a hex quantity")
    try:
        return int(value, 16)
    except ValueError as error:
        raise UnprovenError("field_malformed", f"{field} is not a hex quantity") from error


def read_list(value: Any, *, field: str) -> list[Any]:
    """Read a JSON array; what merely iterates like one would be read differently later on.

    Raises:
        UnprovenError: `field_malformed`.
    """
    if not isinstance(value, list):
        raise UnprovenError("field_malformed", f"{field} is not a list")
    return value


def to_hex(data: bytes) -> str:
    """Write bytes as lower-case hex data."""
    return "0x" + data.hex()
