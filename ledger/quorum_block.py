"""A block of a chain whose hashes we cannot recompute, as far as it can be checked at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.block import ProvenBlock
from ledger.contract_event import EventReader, read_no_events
from ledger.header import Header
from ledger.json_hex import UnprovenError, read_data, read_list, read_quantity
from ledger.keccak import keccak256
from ledger.receipts import check_places
from ledger.transfer import read_transfers

_BLOOM_BITS = 2048
_BITS_PER_ITEM = 3


def read_header(block: Mapping[str, Any], *, expected_hash: bytes | None = None) -> Header:
    """A header as the node tells it; only several nodes together make it believable.

    Raises:
        UnprovenError: `field_malformed`, or `header_hash` when it is another block's.
    """
    if not isinstance(block, Mapping):
        raise UnprovenError("field_malformed", "the answer is not a block")
    claimed = read_data(block.get("hash"), field="hash", length=32)
    if expected_hash is not None and claimed != expected_hash:
        raise UnprovenError("header_hash", "the node answered with another block")
    return Header(
        number=read_quantity(block.get("number"), field="number"),
        hash=claimed,
        parent_hash=read_data(block.get("parentHash"), field="parentHash", length=32),
        timestamp=read_quantity(block.get("timestamp"), field="timestamp"),
        transactions_root=read_data(
            block.get("transactionsRoot"), field="transactionsRoot", length=32
        ),
        receipts_root=read_data(block.get("receiptsRoot"), field="receiptsRoot", length=32),
    )


def read_quorum_block(
    block: Mapping[str, Any],
    receipts: Sequence[Mapping[str, Any]],
    *,
    expected_hash: bytes | None,
    token: bytes,
    read_events: EventReader = read_no_events,
) -> ProvenBlock:
    """A block whose parts agree with each other and with the header's bloom.

    The caller must get the same from a quorum of nodes before it writes anything.

    Raises:
        UnprovenError: `bloom` when a log is not in the header's bloom, `receipt_transaction`,
            and what `read_header` and `check_places` raise.
    """
    header = read_header(block, expected_hash=expected_hash)
    try:
        tx_hashes = [
            _tx_hash(item) for item in read_list(block["transactions"], field="transactions")
        ]
        named = [read_data(item["transactionHash"], field="transactionHash") for item in receipts]
        if named != tx_hashes:
            raise UnprovenError("receipt_transaction", "transactions and receipts do not pair up")
        check_places(header, receipts)
        _check_bloom(read_data(block["logsBloom"], field="logsBloom", length=256), receipts)
    except (AttributeError, KeyError, TypeError) as error:
        raise UnprovenError("field_malformed", "the answer is not a block") from error
    return ProvenBlock(
        header,
        read_transfers(receipts, tx_hashes=tx_hashes, token=token),
        read_events(receipts, tx_hashes=tx_hashes),
    )


def _tx_hash(transaction: Any) -> bytes:
    value = transaction.get("hash") if isinstance(transaction, Mapping) else transaction
    return read_data(value, field="hash", length=32)


def _check_bloom(bloom: bytes, receipts: Sequence[Mapping[str, Any]]) -> None:
    """Every log's address and topics must be in the bloom (Yellow Paper, section 4.4.1).

    Some chains set all bits, or none: such a bloom says nothing, and the quorum has to.
    """
    bits = int.from_bytes(bloom, "big")
    if bits == 0:
        return
    for receipt in receipts:
        for log in receipt["logs"]:
            for item in (log["address"], *log["topics"]):
                wanted = _bloom_bits(read_data(item, field="log"))
                if bits & wanted != wanted:
                    raise UnprovenError("bloom", "a log is not in the header's bloom")


def _bloom_bits(item: bytes) -> int:
    digest = keccak256(item)
    bits = 0
    for pair in range(_BITS_PER_ITEM):
        bits |= 1 << (int.from_bytes(digest[2 * pair : 2 * pair + 2], "big") % _BLOOM_BITS)
    return bits
