"""Blocks as nodes answer them: the project's own recordings, and other people's where present."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp
from eth_utils import keccak

from ledger.block import prove_block
from ledger.header import Header, prove_header
from ledger.receipts import prove_receipts
from ledger.transactions import prove_transactions

RECORDED = Path(__file__).parents[1] / "vectors"
SHARED = Path(__file__).parents[3] / "shared" / "vectors"
SHARED_MISSING = f"not beside this clone: {SHARED.relative_to(SHARED.parents[2])} (it is in CI)"


@dataclass(frozen=True)
class BlockVector:
    """A JSON-RPC block with what there is of its transactions and receipts."""

    name: str
    block: dict[str, Any]
    receipts: Any
    has_transactions: bool
    has_receipts: bool
    token: bytes

    def prove(self) -> Header:
        """Prove all there is, by the same functions that the indexer uses."""
        if self.has_transactions and self.has_receipts:
            proven = prove_block(self.block, self.receipts, expected_hash=None, token=self.token)
            return proven.header
        header = prove_header(self.block)
        if self.has_transactions:
            prove_transactions(header, self.block["transactions"])
        if self.has_receipts:
            prove_receipts(header, self.receipts)
        return header

    def __repr__(self) -> str:
        return self.name

    def _repr_pretty_(self, printer: Any, _cycle: object) -> None:
        printer.text(self.name)


def vector_of(
    name: str, block: dict[str, Any], receipts: list[Any] | None, *, token: bytes = b"\xee" * 20
) -> BlockVector:
    """A vector of what there is: transactions may be hashes only, receipts may be missing."""
    full = all(isinstance(transaction, dict) for transaction in block["transactions"])
    return BlockVector(name, block, receipts, full, receipts is not None, token)


def recorded_vectors() -> list[BlockVector]:
    """What `tests/record_vectors.py` wrote."""
    vectors = []
    for path in sorted(RECORDED.glob("anvil-*.json")):
        file = json.loads(path.read_text())
        token = bytes.fromhex(file["token"][2:])
        for index, item in enumerate(file["blocks"]):
            name = f"{path.stem}-{index}"
            vectors.append(vector_of(name, item["block"], item["receipts"], token=token))
    return vectors


def shared_vectors() -> list[BlockVector]:
    """Mainnet's block and every block of execution-apis; empty without the folder."""
    if not SHARED.is_dir():
        return []
    return [_mainnet(), *_answered_blocks(), *chain_vectors()]


def _mainnet() -> BlockVector:
    folder = SHARED / "mainnet-21925176"
    block = json.loads((folder / "block.json").read_text())
    receipts = json.loads((folder / "receipts.json").read_text())
    return vector_of("mainnet-21925176", block, receipts)


def answers(method: str) -> dict[str, Any]:
    """The results of execution-apis' recorded calls of a method, by the name of the file."""
    found = {}
    for path in sorted((SHARED / "execution-apis" / method).glob("*.io")):
        lines = [line for line in path.read_text().splitlines() if line.startswith("<< ")]
        found[path.stem] = json.loads(lines[-1][3:])["result"]
    return found


def _answered_receipts() -> dict[str, list[Any]]:
    answered = answers("eth_getBlockReceipts").values()
    return {receipts[0]["blockHash"]: receipts for receipts in answered if receipts}


def _answered_blocks() -> list[BlockVector]:
    receipts_of = _answered_receipts()
    vectors = []
    for name, block in answers("eth_getBlockByNumber").items():
        if block is None:
            continue
        vectors.append(vector_of(name, block, receipts_of.get(block["hash"])))
    return vectors


def chain_vectors() -> list[BlockVector]:
    """Every block of execution-apis' chain.rlp, written out as a node would answer it."""
    data = (SHARED / "execution-apis" / "chain.rlp").read_bytes()
    receipts_of = _answered_receipts()
    vectors = []
    while data:
        _, _, length, start = rlp.codec.consume_length_prefix(data, 0)
        vector = block_vector_from_rlp(data[: start + length])
        receipts = receipts_of.get(vector.block["hash"])
        vectors.append(vector_of(vector.name, vector.block, receipts))
        data = data[start + length :]
    return vectors


_HEADER_NAMES = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    *("parentBeaconBlockRoot", "requestsHash"),
)
_DYNAMIC = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value")
_SIGNATURE = ("yParity", "r", "s")
_TX_NAMES = {
    0: ("nonce", "gasPrice", "gas", "to", "value", "input", "v", "r", "s"),
    1: (
        *("chainId", "nonce", "gasPrice", "gas", "to", "value", "input", "accessList"),
        *_SIGNATURE,
    ),
    2: (*_DYNAMIC, "input", "accessList", *_SIGNATURE),
    3: (*_DYNAMIC, "input", "accessList", "maxFeePerBlobGas", "blobVersionedHashes", *_SIGNATURE),
    4: (*_DYNAMIC, "input", "accessList", "authorizationList", *_SIGNATURE),
}
_AUTHORIZATION_NAMES = ("chainId", "address", "nonce", *_SIGNATURE)
_DATA_NAMES = {
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "extraData", "mixHash", "withdrawalsRoot", "parentBeaconBlockRoot"),
    *("requestsHash", "input", "to", "address"),
}


def block_vector_from_rlp(encoded: bytes) -> BlockVector:
    """The JSON-RPC form of a raw block, as `debug_getRawBlock` answers it."""
    header, transactions, *_ = rlp.decode(encoded)
    block = header_from_rlp(header)
    block["transactions"] = [transaction_from_rlp(item) for item in transactions]
    number = int(block["number"], 16)
    return vector_of(f"chain-{number}", block, None)


def header_from_rlp(header: list[bytes]) -> dict[str, Any]:
    """The JSON-RPC form of a decoded header."""
    is_nonce = {"nonce"}  # of a header it is data, of a transaction a quantity
    fields = {
        name: _data(value) if name in _DATA_NAMES | is_nonce else _quantity(value)
        for name, value in zip(_HEADER_NAMES, header, strict=False)
    }
    return fields | {"hash": _data(keccak(rlp.encode(header)))}


def transaction_from_rlp(item: bytes | list[Any]) -> dict[str, Any]:
    """The JSON-RPC form of a block's transaction: a list when legacy, else an envelope."""
    kind, fields, envelope = 0, item, item
    if isinstance(item, bytes):
        kind, fields = item[0], rlp.decode(item[1:])
    else:
        envelope = rlp.encode(item)
    named = dict(zip(_TX_NAMES[kind], fields, strict=True))
    result: dict[str, Any] = {"type": hex(kind), "hash": _data(keccak(envelope))}
    for name, value in named.items():
        result[name] = _transaction_field(name, value)
    return result


def _transaction_field(name: str, value: Any) -> Any:
    if name == "to" and value == b"":
        return None
    if name == "accessList":
        return [
            {"address": _data(address), "storageKeys": [_data(key) for key in keys]}
            for address, keys in value
        ]
    if name == "blobVersionedHashes":
        return [_data(item) for item in value]
    if name == "authorizationList":
        return [
            {
                key: _transaction_field(key, part)
                for key, part in zip(_AUTHORIZATION_NAMES, entry, strict=True)
            }
            for entry in value
        ]
    return _data(value) if name in _DATA_NAMES else _quantity(value)


def _data(value: bytes) -> str:
    return "0x" + value.hex()


def _quantity(value: bytes) -> str:
    return hex(int.from_bytes(value, "big"))
