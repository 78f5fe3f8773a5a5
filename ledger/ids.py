"""Prefixed ids that sort by their time."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BYTES = 10
_LENGTH = 26


def sortable_id(prefix: str, *, unix_milliseconds: int, randomness: bytes) -> str:
    """A ULID (48 bits of time, 80 bits of randomness) in lower-case Crockford base 32.

    `randomness` is 10 bytes; time and chance are passed in, so that the ledger stays pure.
    """
    if len(randomness) != _RANDOM_BYTES:
        raise ValueError(f"randomness must be {_RANDOM_BYTES} bytes")
    value = unix_milliseconds << 80 | int.from_bytes(randomness, "big")
    return f"{prefix}_{_digits(value)}"


def digest_id(prefix: str, digest: bytes) -> str:
    """The first 130 bits of a digest in the same form: an id that tells nothing, not even when."""
    value = int.from_bytes(digest, "big") >> (8 * len(digest) - 5 * _LENGTH)
    return f"{prefix}_{_digits(value)}"


def event_id(seq: int) -> str:
    """An event's id; it follows from its number, so that every replica names it alike."""
    return f"evt_{seq:016x}"


def _digits(value: int) -> str:
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
