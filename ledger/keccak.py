"""Keccak-256, the hash that Ethereum commits everything with."""

from typing import cast

import sha3


def keccak256(data: bytes) -> bytes:
    """Hash `data` to 32 bytes with the original Keccak padding (Yellow Paper, appendix B)."""
    return cast("bytes", sha3.keccak_256(data).digest())
