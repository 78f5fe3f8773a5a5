"""Transactions, accepted only when they hash to the header's transactions root.

Receipts do not commit to the hash of their transaction; this root does, so that a payment's
transaction hash is as proven as its amount.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ledger.header import Header
from ledger.json_hex import UnprovenError, read_data, read_list, read_quantity
from ledger.keccak import keccak256
from ledger.ordered_trie import ordered_trie_root
from ledger.rlp_encoding import encode_bytes, encode_int, encode_joined

_SIGNATURE = ("yParity", "r", "s")
_DYNAMIC_FEE = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value")
_FIELDS_BY_TYPE: dict[int, tuple[str, ...]] = {
    0: ("nonce", "gasPrice", "gas", "to", "value", "input", "v", "r", "s"),
    1: (  # EIP-2930
        *("chainId", "nonce", "gasPrice", "gas", "to", "value", "input", "accessList"),
        *_SIGNATURE,
    ),
    2: (*_DYNAMIC_FEE, "input", "accessList", *_SIGNATURE),  # EIP-1559
    3: (  # EIP-4844
        *(*_DYNAMIC_FEE, "input", "accessList", "maxFeePerBlobGas", "blobVersionedHashes"),
        *_SIGNATURE,
    ),
    4: (*_DYNAMIC_FEE, "input", "accessList", "authorizationList", *_SIGNATURE),  # EIP-7702
}


def prove_transactions(header: Header, transactions: Sequence[Any]) -> tuple[bytes, ...]:
    """Check a block's full transaction objects and return their 32-byte hashes in order.

    Raises:
        UnprovenError: `field_malformed`, `transaction_type`, `transactions_root`,
            `transactions_missing` (the node sent hashes only) or `transaction_hash`.
    """
    read_list(transactions, field="transactions")
    encoded = [encode_transaction(transaction) for transaction in transactions]
    if ordered_trie_root(encoded) != header.transactions_root:
        raise UnprovenError("transactions_root", "the transactions do not hash to the root")
    hashes = tuple(keccak256(envelope) for envelope in encoded)
    for transaction, proven in zip(transactions, hashes, strict=True):
        if read_data(transaction.get("hash"), field="hash", length=32) != proven:
            raise UnprovenError("transaction_hash", "a transaction is named by another's hash")
    return hashes


def encode_transaction(transaction: Any) -> bytes:
    """The EIP-2718 envelope of a JSON-RPC transaction object.

    Raises:
        UnprovenError: `field_malformed`, `transactions_missing` or `transaction_type`.
    """
    if not isinstance(transaction, Mapping):
        raise UnprovenError("transactions_missing", "full transactions were asked for")
    kind = read_quantity(transaction.get("type", "0x0"), field="type")
    fields = _FIELDS_BY_TYPE.get(kind)
    if fields is None:
        raise UnprovenError("transaction_type", f"transaction type {kind} is not known")
    payload = encode_joined([_encode_field(transaction, name) for name in fields])
    return payload if kind == 0 else bytes((kind,)) + payload


def _encode_field(transaction: Mapping[str, Any], name: str) -> bytes:
    value = transaction.get(name)
    if name == "to":
        return b"\x80" if value is None else _encode_address(value, name)
    if name == "input":
        return encode_bytes(read_data(value, field=name))
    if name == "yParity" and value is None:
        # Older nodes name the parity v in typed transactions too.
        value = transaction.get("v")
    encode_entry = _ENTRY_ENCODERS.get(name)
    if encode_entry is None:
        return _encode_quantity(value, name)
    entries = [] if value is None else read_list(value, field=name)
    return encode_joined([encode_entry(entry) for entry in entries])


def _encode_access(entry: Mapping[str, Any]) -> bytes:
    stored = read_list(entry.get("storageKeys"), field="storageKeys")
    keys = [_encode_hash(key, "storageKeys") for key in stored]
    return encode_joined([_encode_address(entry.get("address"), "address"), encode_joined(keys)])


def _encode_authorization(entry: Mapping[str, Any]) -> bytes:
    return encode_joined(
        [
            _encode_quantity(entry.get("chainId"), "chainId"),
            _encode_address(entry.get("address"), "address"),
            *(_encode_quantity(entry.get(name), name) for name in ("nonce", *_SIGNATURE)),
        ]
    )


def _encode_quantity(value: Any, field: str) -> bytes:
    return encode_int(read_quantity(value, field=field))


def _encode_address(value: Any, field: str) -> bytes:
    return encode_bytes(read_data(value, field=field, length=20))


def _encode_hash(value: Any, field: str = "blobVersionedHashes") -> bytes:
    return encode_bytes(read_data(value, field=field, length=32))


_ENTRY_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "accessList": _encode_access,
    "blobVersionedHashes": _encode_hash,
    "authorizationList": _encode_authorization,
}
