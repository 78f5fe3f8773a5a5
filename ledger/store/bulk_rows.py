"""Rows of proven blocks in the binary format of COPY, written where the proving is done.

Pure, and free of the driver: workers write their rows, and the one connection that may move the
cursor only passes them on.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ledger.block import ProvenBlock
from ledger.chain import BrokenBranchError
from ledger.contract_event import canonical_arguments
from ledger.header import Header
from ledger.store.copy_format import JSONB_VERSION, copy_document, field

BLOCK_COLUMNS = (
    *("chain_id", "hash", "number", "parent_hash", "timestamp"),
    *("transactions_root", "receipts_root", "canonical"),
)
TRANSFER_COLUMNS = (
    *("chain_id", "block_hash", "log_index", "block_number", "tx_index", "tx_hash"),
    *("sender", "recipient", "amount", "canonical"),
)
EVENT_COLUMNS = (
    *("chain_id", "block_hash", "log_index", "block_number", "tx_index", "tx_hash"),
    *("contract", "name", "arguments", "canonical"),
)

# Each field is its length and its value; a row begins with the number of its fields.
_BLOCK = struct.Struct(">h iq i32s iq i32s iq i32s i32s ib")
_TRANSFER = struct.Struct(">h iq i32s ii iq ii i32s i20s i20s")
_EVENT = struct.Struct(">h iq i32s ii iq ii i32s")
_CANONICAL = struct.pack(">ib", 1, 1)
_BASE = 10_000


def block_rows(chain_id: int, blocks: Iterable[ProvenBlock]) -> bytes:
    """The blocks as canonical rows of `block`, in the order of `BLOCK_COLUMNS`."""
    rows = []
    for block in blocks:
        header = block.header
        place = (8, chain_id, 32, header.hash, 8, header.number, 32, header.parent_hash)
        roots = (32, header.transactions_root, 32, header.receipts_root)
        rows.append(
            _BLOCK.pack(len(BLOCK_COLUMNS), *place, 8, header.timestamp, *roots, 1, True)  # noqa: FBT003 - a column's value
        )
    return b"".join(rows)


def transfer_rows(chain_id: int, blocks: Iterable[ProvenBlock]) -> bytes:
    """The blocks' transfers as canonical rows of `transfer`, in the order of its columns."""
    return b"".join(_transfer_rows(chain_id, blocks))


def _transfer_rows(chain_id: int, blocks: Iterable[ProvenBlock]) -> Iterator[bytes]:
    count, pack = len(TRANSFER_COLUMNS), _TRANSFER.pack
    for block in blocks:
        number, block_hash = block.header.number, block.header.hash
        for transfer in block.transfers:
            yield pack(
                *(count, 8, chain_id, 32, block_hash, 4, transfer.log_index, 8, number),
                *(4, transfer.tx_index, 32, transfer.tx_hash),
                *(20, transfer.sender, 20, transfer.recipient),
            )
            yield _amount_field(transfer.amount)


@lru_cache(maxsize=4096)  # prices repeat
def _amount_field(amount: int) -> bytes:
    """A `numeric` field and the `canonical` one behind it: digits to base 10,000, highest first."""
    digits = []
    while amount:
        amount, digit = divmod(amount, _BASE)
        digits.append(digit)
    digits.reverse()
    count = len(digits)
    weight = max(count - 1, 0)
    value = struct.pack(f">hhhh{count}h", count, weight, 0, 0, *digits)
    return field(value) + _CANONICAL


def event_rows(chain_id: int, blocks: Iterable[ProvenBlock]) -> bytes:
    """The blocks' events as canonical rows of `contract_event`, in the order of its columns."""
    rows: list[bytes] = []
    for block in blocks:
        number, block_hash = block.header.number, block.header.hash
        for event in block.events:
            place = (8, chain_id, 32, block_hash, 4, event.log_index, 8, number)
            transaction = (4, event.tx_index, 32, event.tx_hash)
            arguments = JSONB_VERSION + canonical_arguments(event.arguments).encode()
            rows += (
                _EVENT.pack(len(EVENT_COLUMNS), *place, *transaction),
                field(event.contract.encode()),
                field(event.name.encode()),
                field(arguments),
                _CANONICAL,
            )
    return b"".join(rows)


@dataclass(frozen=True, slots=True)
class ProvenRange:
    """Linked, proven blocks in the form in which they are stored.

    `recipients` are the distinct 20-byte addresses that the transfers go to, joined.
    """

    first_number: int
    parent_hash: bytes
    last: Header
    transfer_count: int
    recipients: bytes
    block_copy: bytes
    transfer_copy: bytes
    event_copy: bytes
    """Empty when there are none, which is nearly always."""


def proven_range(chain_id: int, blocks: Sequence[ProvenBlock]) -> ProvenRange:
    """Write out blocks, at least one.

    Raises:
        BrokenBranchError: they do not link.
    """
    first, last = blocks[0].header, blocks[-1].header
    check_linked(first.parent_hash, [block.header for block in blocks])
    events = event_rows(chain_id, blocks)
    recipients = {transfer.recipient for block in blocks for transfer in block.transfers}
    return ProvenRange(
        first_number=first.number,
        parent_hash=first.parent_hash,
        last=last,
        transfer_count=sum(len(block.transfers) for block in blocks),
        recipients=b"".join(recipients),
        block_copy=copy_document(block_rows(chain_id, blocks)),
        transfer_copy=copy_document(transfer_rows(chain_id, blocks)),
        event_copy=copy_document(events) if events else b"",
    )


def check_linked(parent_hash: bytes, headers: Sequence[Header]) -> None:
    """Check that each header names the one before it, the first one `parent_hash`.

    Raises:
        BrokenBranchError: one does not.
    """
    number = headers[0].number if headers else 0
    for header in headers:
        if header.parent_hash != parent_hash or header.number != number:
            raise BrokenBranchError(f"block {header.number} does not grow on the one before it")
        parent_hash, number = header.hash, number + 1
