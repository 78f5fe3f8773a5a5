"""What a block's hash commits to in a node's JSON, and ways to tamper with it.

The lists are written out here, apart from the ledger's own: a field that the ledger forgot to
hash would otherwise also be forgotten by its tests.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from proof_vectors import BlockVector

Path = tuple[str | int, ...]

HEADER_FIELDS = (
    *("hash", "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot"),
    *("receiptsRoot", "logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp"),
    *("extraData", "mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed"),
    *("excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
_TYPED = ("chainId", "yParity")
_BY_PRICE = ("gasPrice",)
_BY_FEE = ("maxPriorityFeePerGas", "maxFeePerGas")
_EVERY_TRANSACTION = ("hash", "type", "nonce", "gas", "to", "value", "input", "r", "s")
TRANSACTION_FIELDS = {
    "0x0": (*_EVERY_TRANSACTION, *_BY_PRICE, "v"),
    "0x1": (*_EVERY_TRANSACTION, *_TYPED, *_BY_PRICE),
    "0x2": (*_EVERY_TRANSACTION, *_TYPED, *_BY_FEE),
    "0x3": (*_EVERY_TRANSACTION, *_TYPED, *_BY_FEE, "maxFeePerBlobGas"),
    "0x4": (*_EVERY_TRANSACTION, *_TYPED, *_BY_FEE),
}
_AUTHORIZATION_FIELDS = ("chainId", "address", "nonce", "yParity", "r", "s")
_RECEIPT_FIELDS = ("type", "status", "root", "cumulativeGasUsed", "logsBloom")
# No root commits to these, but a reader would take the receipt's place in the chain from them.
_RECEIPT_PLACES = ("blockHash", "transactionIndex")
_LOG_FIELDS = ("address", "data", "logIndex")

# What nodes add for convenience. No hash commits to it, so that the ledger must not believe it.
UNCOMMITTED_BLOCK_FIELDS = ("size", "totalDifficulty", "uncles", "withdrawals")
UNCOMMITTED_TRANSACTION_FIELDS = (
    *("blockHash", "blockNumber", "blockTimestamp", "transactionIndex", "from"),
)
UNCOMMITTED_RECEIPT_FIELDS = (
    *("blockNumber", "blockTimestamp", "gasUsed", "effectiveGasPrice", "blobGasPrice"),
    *("blobGasUsed", "from", "to", "contractAddress"),
)
UNCOMMITTED_LOG_FIELDS = (
    *("blockHash", "blockNumber", "blockTimestamp", "transactionHash", "transactionIndex"),
)


def committed_paths(vector: BlockVector) -> list[Path]:
    """Where the hex strings lie that the vector's hash commits to."""
    return [path for path in _paths(vector) if get(vector, path) is not None]


def _paths(vector: BlockVector) -> Iterator[Path]:
    yield from (("block", name) for name in HEADER_FIELDS)
    if vector.has_transactions:
        for index, transaction in enumerate(vector.block["transactions"]):
            yield from _transaction_paths(("block", "transactions", index), transaction)
    for index, receipt in enumerate(vector.receipts or ()):
        yield from _receipt_paths(("receipts", index), receipt)
        if vector.has_transactions:
            yield ("receipts", index, "transactionHash")


def _transaction_paths(at: Path, transaction: dict[str, Any]) -> Iterator[Path]:
    kind = transaction.get("type", "0x0")
    yield from ((*at, name) for name in TRANSACTION_FIELDS[kind])
    for index, entry in enumerate(transaction.get("accessList") or ()):
        yield (*at, "accessList", index, "address")
        for key in range(len(entry["storageKeys"])):
            yield (*at, "accessList", index, "storageKeys", key)
    for index in range(len(transaction.get("blobVersionedHashes") or ())):
        yield (*at, "blobVersionedHashes", index)
    for index in range(len(transaction.get("authorizationList") or ())):
        yield from ((*at, "authorizationList", index, name) for name in _AUTHORIZATION_FIELDS)


def _receipt_paths(at: Path, receipt: dict[str, Any]) -> Iterator[Path]:
    yield from ((*at, name) for name in (*_RECEIPT_FIELDS, *_RECEIPT_PLACES))
    for index, log in enumerate(receipt["logs"]):
        yield from ((*at, "logs", index, name) for name in _LOG_FIELDS)
        yield from ((*at, "logs", index, "topics", topic) for topic in range(len(log["topics"])))


def list_paths(vector: BlockVector) -> list[Path]:
    """Where the lists lie whose length and order the vector's hash commits to."""
    paths: list[Path] = []
    if vector.has_transactions:
        paths.append(("block", "transactions"))
    if vector.receipts is not None:
        paths.append(("receipts",))
    for index, receipt in enumerate(vector.receipts or ()):
        paths.append(("receipts", index, "logs"))
        paths += [("receipts", index, "logs", log, "topics") for log in range(len(receipt["logs"]))]
    return paths


def get(vector: BlockVector, path: Path) -> Any:
    """The value at a path; None where there is none."""
    value: Any = {"block": vector.block, "receipts": vector.receipts}
    for step in path:
        value = value.get(step) if isinstance(value, dict) else value[step]
    return value


def put(vector: BlockVector, path: Path, new: Any) -> BlockVector:
    """The vector with another value at a path; the original stays as it is."""
    tree = _put({"block": vector.block, "receipts": vector.receipts}, path, new)
    return replace(vector, block=tree["block"], receipts=tree["receipts"])


def without(vector: BlockVector, path: Path) -> BlockVector:
    """The vector without the key at a path."""
    *parent, key = path
    holder = dict(get(vector, tuple(parent)))
    del holder[key]
    return put(vector, tuple(parent), holder)


def flip_digit(text: str, position: int, difference: int) -> str:
    """Hex data with one digit changed; `difference` is 1..15."""
    digits = list(text)
    place = 2 + position % (len(text) - 2)
    digits[place] = f"{int(digits[place], 16) ^ difference:x}"
    return "".join(digits)


def _put(tree: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    step, *rest = path
    copy = tree.copy()
    copy[step] = _put(tree.get(step) if isinstance(tree, dict) else tree[step], (*rest,), new)
    return copy
