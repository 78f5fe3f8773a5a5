"""How far a ledger's blocks were verified, which every answer of the oracle tells."""

from enum import StrEnum


class Verification(StrEnum):
    """The level, from strong to weak."""

    FULL = "full"
    """Every hash was recomputed: no node can make up anything."""
    QUORUM = "quorum"
    """The chain's encoding is not Ethereum's, so hashes cannot be recomputed; a quorum of nodes
    told the same, and what they told agrees with the header's bloom."""
