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
from ledger.rlp_digits import data_digits, from_digits, list_digits, quantity_digits
from ledger.usual import ADDRESS_OR_NONE, ANY_LENGTH, EMPTY_LIST, QUANTITY, encode_fields

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
    payload = encode_fields(transaction, _USUAL_FIELDS_BY_TYPE[kind])
    if payload is None:
        digits = [_digits(transaction, name) for name in fields]
        payload = from_digits(list_digits("".join(digits)))
    return payload if kind == 0 else bytes((kind,)) + payload


def _digits(transaction: Mapping[str, Any], name: str) -> str:
    value = transaction.get(name)
    if name == "to":
        return "80" if value is None else data_digits(value, field=name, length=20)
    if name == "input":
        return data_digits(value, field=name)
    if name == "yParity" and value is None:
        # Older nodes name the parity v in typed transactions too.
        value = transaction.get("v")
    entry_digits = _ENTRY_DIGITS.get(name)
    if entry_digits is None:
        return quantity_digits(value, field=name)
    entries = [] if value is None else read_list(value, field=name)
    return list_digits("".join([entry_digits(entry) for entry in entries]))


def _access_digits(entry: Mapping[str, Any]) -> str:
    address = data_digits(entry.get("address"), field="address", length=20)
    stored = read_list(entry.get("storageKeys"), field="storageKeys")
    keys = "".join([data_digits(key, field="storageKeys", length=32) for key in stored])
    return list_digits(address + list_digits(keys))


def _authorization_digits(entry: Mapping[str, Any]) -> str:
    return list_digits(
        quantity_digits(entry.get("chainId"), field="chainId")
        + data_digits(entry.get("address"), field="address", length=20)
        + "".join([quantity_digits(entry.get(name), field=name) for name in ("nonce", *_SIGNATURE)])
    )


def _hash_digits(entry: Any) -> str:
    return data_digits(entry, field="blobVersionedHashes", length=32)


_ENTRY_DIGITS: dict[str, Callable[[Any], str]] = {
    "accessList": _access_digits,
    "blobVersionedHashes": _hash_digits,
    "authorizationList": _authorization_digits,
}

# Entries of lists are rare, and left to the functions above.
_KINDS = {"to": ADDRESS_OR_NONE, "input": ANY_LENGTH} | dict.fromkeys(_ENTRY_DIGITS, EMPTY_LIST)
_USUAL_FIELDS_BY_TYPE = {
    kind: tuple((name, _KINDS.get(name, QUANTITY)) for name in names)
    for kind, names in _FIELDS_BY_TYPE.items()
}
