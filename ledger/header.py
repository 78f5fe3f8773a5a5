"""A block header, accepted only when it hashes to the hash that was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.json_hex import UnprovenError, read_data, read_quantity
from ledger.keccak import keccak256
from ledger.rlp_digits import data_digits, from_digits, list_digits, quantity_digits

# No real chain comes near; beyond it a header could be proven and yet not be stored.
_PLACE_LIMIT = 2**63

_QUANTITY = -1
_ANY_LENGTH = None

# In the order in which the header hashes them; the number is the length in bytes.
_FRONTIER_FIELDS: tuple[tuple[str, int | None], ...] = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", _QUANTITY),
    ("number", _QUANTITY),
    ("gasLimit", _QUANTITY),
    ("gasUsed", _QUANTITY),
    ("timestamp", _QUANTITY),
    ("extraData", _ANY_LENGTH),
    ("mixHash", 32),
    ("nonce", 8),
)

# Each fork appended fields; a header has all of a fork's fields or none of that and later forks.
_FORK_FIELDS: tuple[tuple[tuple[str, int | None], ...], ...] = (
    (("baseFeePerGas", _QUANTITY),),  # London, EIP-1559
    (("withdrawalsRoot", 32),),  # Shanghai, EIP-4895
    (  # Cancun, EIP-4844 and EIP-4788
        ("blobGasUsed", _QUANTITY),
        ("excessBlobGas", _QUANTITY),
        ("parentBeaconBlockRoot", 32),
    ),
    (("requestsHash", 32),),  # Prague, EIP-7685
)


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
        transactions_root=read_data(block["transactionsRoot"], field="transactionsRoot"),
        receipts_root=read_data(block["receiptsRoot"], field="receiptsRoot"),
    )


def encode_header(block: Mapping[str, Any]) -> bytes:
    """The RLP of a JSON-RPC block object's header, for every fork up to Prague.

    Raises:
        UnprovenError: `field_malformed` or `header_fields`.
    """
    parts = [_field_digits(block, name, length) for name, length in _FRONTIER_FIELDS]
    ended = False
    for fork in _FORK_FIELDS:
        present = [name for name, _ in fork if block.get(name) is not None]
        if present and (ended or len(present) < len(fork)):
            raise UnprovenError("header_fields", f"{fork[0][0]} does not fit the other fields")
        if not present:
            ended = True
            continue
        parts += [_field_digits(block, name, length) for name, length in fork]
    return from_digits(list_digits("".join(parts)))


def _read_place(block: Mapping[str, Any], name: str) -> int:
    place = read_quantity(block[name], field=name)
    if place >= _PLACE_LIMIT:
        raise UnprovenError("field_malformed", f"{name} is out of range")
    return place


def _field_digits(block: Mapping[str, Any], name: str, length: int | None) -> str:
    if length == _QUANTITY:
        return quantity_digits(block.get(name), field=name)
    return data_digits(block.get(name), field=name, length=length)
