"""Recursive Length Prefix encoding, in the one direction that proving needs."""

from collections.abc import Sequence
from typing import TypeAlias

Encodable: TypeAlias = "bytes | Sequence[Encodable]"

_SINGLE_BYTE_LIMIT = 0x80
_SHORT_LIMIT = 55


def encode(item: Encodable) -> bytes:
    """Encode bytes or a nested sequence of bytes (Yellow Paper, appendix B)."""
    if isinstance(item, bytes):
        return encode_bytes(item)
    return encode_joined([encode(part) for part in item])


def encode_bytes(data: bytes) -> bytes:
    """Encode one byte string."""
    length = len(data)
    if length == 1 and data[0] < _SINGLE_BYTE_LIMIT:
        return data
    if length <= _SHORT_LIMIT:
        return bytes((0x80 + length,)) + data
    return _long_prefix(0xB7, length) + data


def encode_joined(encoded_parts: Sequence[bytes]) -> bytes:
    """Encode a list whose parts are already encoded."""
    payload = b"".join(encoded_parts)
    length = len(payload)
    if length <= _SHORT_LIMIT:
        return bytes((0xC0 + length,)) + payload
    return _long_prefix(0xF7, length) + payload


def encode_int(number: int) -> bytes:
    """Encode a whole number of at least 0 in its shortest big-endian form."""
    if number == 0:
        return b"\x80"
    return encode_bytes(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _long_prefix(base: int, length: int) -> bytes:
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((base + len(size),)) + size
