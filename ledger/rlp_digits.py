"""RLP written in hex digits, the form in which nodes answer, and turned into bytes once.

Proving a block encodes hundreds of small fields. Joining their digits and converting the whole
costs a fraction of converting each, and checks as much: a field's length is looked at when it is
written, its digits when the whole is converted.
"""

from functools import lru_cache
from typing import Any

from ledger.json_hex import UnprovenError

_SHORT_DIGITS = 2 * 55
_SINGLE_BYTE_DIGITS = 2
_QUANTITY_MAX_DIGITS = 64


def data_digits(value: Any, *, field: str, length: int | None = None) -> str:
    """The RLP of JSON-RPC's unformatted data of `length` bytes, if given.

    Raises:
        UnprovenError: `field_malformed`.
    """
    if not isinstance(value, str) or value[:2] != "0x":
        raise UnprovenError("field_malformed", f"{field} is not hex data")
    digits = value[2:]
    count = len(digits)
    if count % 2 or (length is not None and count != 2 * length):
        raise UnprovenError("field_malformed", f"{field} has the wrong length")
    if count == _SINGLE_BYTE_DIGITS and digits < "80":
        return digits
    return string_prefix(count) + digits


def quantity_digits(value: Any, *, field: str) -> str:
    """The RLP of a JSON-RPC quantity (`0x0`, no leading zeros, at most 256 bits).

    Raises:
        UnprovenError: `field_malformed`.
    """
    if not isinstance(value, str) or value[:2] != "0x":
        raise UnprovenError("field_malformed", f"{field} is not a hex quantity")
    digits = value[2:]
    if digits == "0":
        return "80"
    count = len(digits)
    if not 0 < count <= _QUANTITY_MAX_DIGITS or digits[0] == "0":
        raise UnprovenError("field_malformed", f"{field} is not a hex quantity")
    if count % 2:
        digits = "0" + digits
        count += 1
    if count == _SINGLE_BYTE_DIGITS and digits < "80":
        return digits
    return _QUANTITY_PREFIXES[count] + digits


def list_digits(payload: str) -> str:
    """The RLP of a list whose parts are already written and joined."""
    return list_prefix(len(payload)) + payload


def from_digits(digits: str) -> bytes:
    """The bytes that the digits stand for.

    Raises:
        UnprovenError: `field_malformed`: something in them is no hex digit.
    """
    try:
        data = bytes.fromhex(digits)
    except ValueError as error:
        raise UnprovenError("field_malformed", "a field is not in hex digits") from error
    # `fromhex` skips blanks, which no node may put there.
    if 2 * len(data) != len(digits):
        raise UnprovenError("field_malformed", "a field is not in hex digits")
    return data


@lru_cache(maxsize=4096)
def string_prefix(digit_count: int) -> str:
    """What stands before a string of so many digits, unless it is a single byte below 0x80."""
    return _prefix(0x80, digit_count)


@lru_cache(maxsize=4096)
def list_prefix(digit_count: int) -> str:
    """What stands before a list whose parts have so many digits."""
    return _prefix(0xC0, digit_count)


def _prefix(base: int, digit_count: int) -> str:
    length = digit_count // 2
    if digit_count <= _SHORT_DIGITS:
        return f"{base + length:02x}"
    size = f"{length:x}"
    size = size if len(size) % 2 == 0 else "0" + size
    return f"{base + 55 + len(size) // 2:02x}{size}"


_QUANTITY_PREFIXES = tuple(string_prefix(count) for count in range(_QUANTITY_MAX_DIGITS + 1))
