"""One hash over any stretch of the ledger, and where two ledgers first differ.

docs/auditor.md defines it byte by byte, so that anybody can compute it from an export.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ledger.contract_event import ContractEvent, event_digest
from ledger.header import Header
from ledger.keccak import keccak256
from ledger.transfer import Transfer

MISSING = bytes(32)
"""The leaf of a block that a ledger does not hold."""

_LEAF, _NODE, _ROOT, _LEAF_WITH_EVENTS = b"\x01", b"\x02", b"\x03", b"\x04"


def block_digest(
    header: Header, transfers: Sequence[Transfer], events: Sequence[ContractEvent] = ()
) -> bytes:
    """The hash of a block's canonical rows; transfers and events in the order of their log indexes.

    Fields have fixed lengths and are big-endian, so that no two blocks have the same bytes. A block
    without events is hashed as before there were any, so that older digests hold.
    """
    parts = [
        _LEAF_WITH_EVENTS if events else _LEAF,
        header.number.to_bytes(8, "big"),
        header.hash,
        header.parent_hash,
        header.timestamp.to_bytes(8, "big"),
        header.transactions_root,
        header.receipts_root,
        len(transfers).to_bytes(4, "big"),
    ]
    for transfer in transfers:
        parts += (
            transfer.log_index.to_bytes(4, "big"),
            transfer.tx_index.to_bytes(4, "big"),
            transfer.tx_hash,
            transfer.sender,
            transfer.recipient,
            transfer.amount.to_bytes(32, "big"),
        )
    parts += [event_digest(event) for event in events]
    return keccak256(b"".join(parts))


@dataclass(frozen=True)
class DigestTree:
    """The Merkle tree over the digests of consecutive blocks from `first_number` on."""

    first_number: int
    leaves: tuple[bytes, ...]

    @cached_property
    def levels(self) -> tuple[tuple[bytes, ...], ...]:
        """From the leaves to the top; a last node without a partner rises as it is."""
        levels = [self.leaves]
        while len(levels[-1]) > 1:
            below = levels[-1]
            pairs = zip(below[::2], below[1::2], strict=False)
            level = [keccak256(_NODE + left + right) for left, right in pairs]
            if len(below) % 2:
                level.append(below[-1])
            levels.append(tuple(level))
        return tuple(levels)

    @cached_property
    def digest(self) -> bytes:
        """The hash of the whole, which names its range too."""
        count = len(self.leaves)
        top = self.levels[-1][0] if count else b""
        return keccak256(
            _ROOT + self.first_number.to_bytes(8, "big") + count.to_bytes(8, "big") + top
        )


def differing_numbers(ours: DigestTree, theirs: DigestTree, *, limit: int) -> list[int]:
    """The first `limit` block numbers at which two trees over the same range differ.

    Descends only where hashes differ: the first difference takes as many steps as the tree is
    high.
    """
    if (ours.first_number, len(ours.leaves)) != (theirs.first_number, len(theirs.leaves)):
        raise ValueError("the trees are about different ranges")
    found: list[int] = []
    if not ours.leaves:
        return found
    waiting = [(len(ours.levels) - 1, 0)]
    while waiting and len(found) < limit:
        level, place = waiting.pop()
        if place >= len(ours.levels[level]) or (
            ours.levels[level][place] == theirs.levels[level][place]
        ):
            continue
        if level == 0:
            found.append(ours.first_number + place)
        else:
            # The left half last, for it is taken up next.
            waiting += [(level - 1, 2 * place + 1), (level - 1, 2 * place)]
    return found
