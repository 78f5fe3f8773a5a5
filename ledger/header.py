"""A block header, accepted only when it hashes to the hash that was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ledger.json_hex import UnprovenError, read_data, read_quantity
from ledger.keccak import keccak256
from ledger.rlp_digits import data_digits, from_digits, list_digits, quantity_digits
from ledger.usual import ANY_LENGTH, QUANTITY, encode_fields

# No real chain comes near; beyond it a header could be proven and yet not be stored.
_PLACE_LIMIT = 2**63

# In the order in which the header hashes them: each field's name, and its length or kind.
_FRONTIER_FIELDS = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", QUANTITY),
    ("number", QUANTITY),
    ("gasLimit", QUANTITY),
    ("gasUsed", QUANTITY),
    ("timestamp", QUANTITY),
    ("extraData", ANY_LENGTH),
    ("mixHash", 32),
    ("nonce", 8),
)

# What each fork appended.
_FORK_FIELDS: tuple[tuple[tuple[str, int], ...], ...] = (
    (("baseFeePerGas", QUANTITY),),  # London, EIP-1559
    (("withdrawalsRoot", 32),),  # Shanghai, EIP-4895
    (  # Cancun, EIP-4844 and EIP-4788
        ("blobGasUsed", QUANTITY),
        ("excessBlobGas", QUANTITY),
        ("parentBeaconBlockRoot", 32),
    ),
    (("requestsHash", 32),),  # Prague, EIP-7685
)
_FORK_NAMES = tuple(name for fork in _FORK_FIELDS for name, _ in fork)
# A header has all of a fork's fields, or none of that and later forks: their count tells the fork.
_FIELDS_BY_COUNT = {
    len(appended): _FRONTIER_FIELDS + appended for appended in accumulate(_FORK_FIELDS, initial=())
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the ledger keeps of a header; hashes are 32 bytes, `timestamp` is Unix seconds."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    transactions_root: bytes
    receipts_root: bytes


def prove_header(block: Mapping[str, Any], *, expected_hash: bytes | None = None) -> Header:
    """Recompute the hash of a JSON-RPC block object and return what it commits to.

    Args:
        block: an answer of `eth_getBlockByHash` or `eth_getBlockByNumber`.
        expected_hash: the 32-byte hash that was asked for; None trusts the block's own `hash`
            to name it, which still has to be the true hash of its fields.

    Raises:
        UnprovenError: `field_malformed`, `header_fields` (a fork's fields with a gap) or
            `header_hash`.
    """
    if not isinstance(block, Mapping):
        raise UnprovenError("field_malformed", "the answer is not a block")
    claimed = read_data(block.get("hash"), field="hash", length=32)
    if expected_hash is not None and claimed != expected_hash:
        raise UnprovenError("header_hash", "the node answered with another block")
    if keccak256(encode_header(block)) != claimed:
        raise UnprovenError("header_hash", "the header does not hash to the block's hash")
    return Header(
        number=_read_place(block, "number"),
        hash=claimed,
        parent_hash=read_data(block["parentHash"], field="parentHash", length=32),
        timestamp=_read_place(block, "timestamp"),
        transactions_root=read_data(block["transactionsRoot"], field="transactionsRoot", length=32),
        receipts_root=read_data(block["receiptsRoot"], field="receiptsRoot", length=32),
    )


def encode_header(block: Mapping[str, Any]) -> bytes:
    """The RLP of a JSON-RPC block object's header, for every fork up to Prague.

    Raises:
        UnprovenError: `field_malformed` or `header_fields`.
    """
    there = [block.get(name) is not None for name in _FORK_NAMES]
    count = sum(there)
    fields = _FIELDS_BY_COUNT.get(count)
    if fields is None or not all(there[:count]):
        raise UnprovenError("header_fields", "some fields of a fork are there and some are not")
    usual = encode_fields(block, fields)
    if usual is not None:
        return usual
    digits = [_digits(block.get(name), name, kind) for name, kind in fields]
    return from_digits(list_digits("".join(digits)))


def _digits(value: Any, name: str, kind: int) -> str:
    if kind == QUANTITY:
        return quantity_digits(value, field=name)
    return data_digits(value, field=name, length=None if kind == ANY_LENGTH else kind)


def _read_place(block: Mapping[str, Any], name: str) -> int:
    place = read_quantity(block[name], field=name)
    if place >= _PLACE_LIMIT:
        raise UnprovenError("field_malformed", f"{name} is out of range")
    return place
