"""Log blooms, true ones and the kinds that chains really ship instead."""

from collections.abc import Iterable
from enum import StrEnum

from devnet.faulty_node.drafts import LogDraft
from ledger.keccak import keccak256

BLOOM_BYTES = 256
_BITS = 8 * BLOOM_BYTES


class BloomKind(StrEnum):
    """What a chain writes where a bloom belongs; each is hashed into its headers all the same."""

    TRUE = "true"
    ALL_ONES = "all_ones"
    ZEROS = "zeros"


def bloom(logs: Iterable[LogDraft], kind: BloomKind = BloomKind.TRUE) -> bytes:
    """The 256-byte bloom of some logs (Yellow Paper, section 4.3.1)."""
    if kind is BloomKind.ALL_ONES:
        return b"\xff" * BLOOM_BYTES
    bits = 0
    if kind is BloomKind.TRUE:
        for log in logs:
            for item in (log.address, *log.topics):
                bits |= _bits(item)
    return bits.to_bytes(BLOOM_BYTES, "big")


def _bits(item: bytes) -> int:
    digest = keccak256(item)
    found = 0
    for start in (0, 2, 4):
        found |= 1 << (int.from_bytes(digest[start : start + 2], "big") % _BITS)
    return found
