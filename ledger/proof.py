"""A payment's proof: all that anybody needs to check it who trusts one block hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.header import encode_header
from ledger.json_hex import UnprovenError, read_data, to_hex
from ledger.keccak import keccak256
from ledger.ordered_trie import OrderedTrie
from ledger.receipts import encode_receipt
from ledger.transactions import encode_transaction
from ledger.transfer import TRANSFER_TOPIC
from ledger.trie_proof import ProofRefusedError, decode_list, proven_value

FORMAT = "billcoin-payment-proof/1"

_HEADER_NUMBER, _HEADER_TIME = 8, 11
_HEADER_TX_ROOT, _HEADER_RECEIPT_ROOT = 4, 5
_MIN_HEADER_FIELDS = 15
_RECEIPT_FIELDS = 4
_LOG_FIELDS = 3
_SUCCEEDED = b"\x01"
_LEGACY_FROM = 0xC0
_MAX_INDEX = 2**32


@dataclass(frozen=True, slots=True)
class ProvenPayment:
    """What a proof proves; times in Unix seconds, `transfers` as the document lists them."""

    block_hash: bytes
    block_number: int
    block_timestamp: int
    tx_hash: bytes
    token: bytes
    transfers: tuple[dict[str, Any], ...]


class BlockProofs:
    """The documents about the transactions of one block that was proven before.

    A document's statements follow from its evidence, so that reading it again checks the whole.
    """

    def __init__(
        self,
        block: Mapping[str, Any],
        receipts: Sequence[Mapping[str, Any]],
        *,
        token: bytes,
    ) -> None:
        self._token = token
        self._header = to_hex(encode_header(block))
        self._transactions = [encode_transaction(item) for item in block["transactions"]]
        self._receipts = [encode_receipt(receipt) for receipt in receipts]
        self._tries = OrderedTrie(self._transactions), OrderedTrie(self._receipts)

    def document(self, tx_index: int) -> dict[str, Any]:
        """The document about one transaction.

        Raises:
            IndexError: the block has no such transaction.
        """
        transactions, receipts = self._tries
        evidence = {
            "header": self._header,
            "transaction": to_hex(self._transactions[tx_index]),
            "transactionProof": [to_hex(node) for node in transactions.proof(tx_index)],
            "receipt": to_hex(self._receipts[tx_index]),
            "receiptProof": [to_hex(node) for node in receipts.proof(tx_index)],
        }
        return _document(evidence, tx_index, self._token)


def check_proof(document: Any, *, block_hash: bytes | None = None) -> ProvenPayment:
    """Check a document completely: every statement in it must follow from its evidence.

    With `block_hash`, which the reader got from whom he trusts, it must be about that block;
    without, only the document's own consistency is shown.

    Raises:
        ProofRefusedError: `proof_malformed`, `rlp_malformed`, `trie_proof`, `proof_mismatch` or
            `block_hash`.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ProofRefusedError("proof_malformed", f"this is no {FORMAT} document")
    tx_index = document.get("txIndex")
    if type(tx_index) is not int or not 0 <= tx_index < _MAX_INDEX:
        raise ProofRefusedError("proof_malformed", "txIndex is no index")
    token = _data(document.get("token"), "token")
    expected = _document(document, tx_index, token)
    # Nothing may be added, missing, or said otherwise than the evidence says it.
    if document != expected:
        wrong = sorted(
            name
            for name in document.keys() | expected.keys()
            if document.get(name) != expected.get(name)
        )
        raise ProofRefusedError("proof_mismatch", f"not what the evidence says: {', '.join(wrong)}")
    proven = bytes.fromhex(expected["blockHash"][2:])
    if block_hash is not None and proven != block_hash:
        raise ProofRefusedError("block_hash", f"this is about block {to_hex(proven)}")
    if not expected["transfers"]:
        raise ProofRefusedError("proof_mismatch", "the transaction transfers nothing")
    return ProvenPayment(
        block_hash=proven,
        block_number=expected["blockNumber"],
        block_timestamp=expected["blockTimestamp"],
        tx_hash=bytes.fromhex(expected["txHash"][2:]),
        token=token,
        transfers=tuple(expected["transfers"]),
    )


def _document(evidence: Mapping[str, Any], tx_index: int, token: bytes) -> dict[str, Any]:
    """The only document that this evidence allows."""
    encoded_header = _data(evidence.get("header"), "header")
    header = decode_list(encoded_header)
    if len(header) < _MIN_HEADER_FIELDS or not all(isinstance(item, bytes) for item in header):
        raise ProofRefusedError("proof_malformed", "the header is none")
    places = {"transaction": _HEADER_TX_ROOT, "receipt": _HEADER_RECEIPT_ROOT}
    values, nodes = {}, {}
    for name, place in places.items():
        nodes[name] = _nodes(evidence.get(f"{name}Proof"), f"{name}Proof")
        values[name] = proven_value(header[place], tx_index, nodes[name])
    return {
        "format": FORMAT,
        "blockHash": to_hex(keccak256(encoded_header)),
        "blockNumber": int.from_bytes(header[_HEADER_NUMBER], "big"),
        "blockTimestamp": int.from_bytes(header[_HEADER_TIME], "big"),
        "txHash": to_hex(keccak256(values["transaction"])),
        "txIndex": tx_index,
        "token": to_hex(token),
        "transfers": _transfers(values["receipt"], token),
        "header": to_hex(encoded_header),
        "transaction": to_hex(values["transaction"]),
        "transactionProof": [to_hex(node) for node in nodes["transaction"]],
        "receipt": to_hex(values["receipt"]),
        "receiptProof": [to_hex(node) for node in nodes["receipt"]],
    }


def _transfers(receipt: bytes, token: bytes) -> list[dict[str, Any]]:
    """The token's transfers in a receipt, each at its place among the receipt's logs."""
    payload = receipt if receipt[:1] >= bytes((_LEGACY_FROM,)) else receipt[1:]
    outcome, _, _, logs = decode_list(payload, length=_RECEIPT_FIELDS)
    if outcome != _SUCCEEDED:
        raise ProofRefusedError("proof_mismatch", "the transaction did not succeed")
    found = []
    for place, log in enumerate(logs):
        if not isinstance(log, list) or len(log) != _LOG_FIELDS:
            raise ProofRefusedError("proof_malformed", "a log is none")
        address, topics, data = log
        if address == token and _is_transfer(topics, data):
            found.append(
                {
                    "receiptLogIndex": place,
                    "sender": to_hex(topics[1][12:]),
                    "recipient": to_hex(topics[2][12:]),
                    "amountUnits": str(int.from_bytes(data, "big")),
                }
            )
    return found


def _is_transfer(topics: Any, data: Any) -> bool:
    if not isinstance(topics, list) or len(topics) != 3 or not isinstance(data, bytes):  # noqa: PLR2004 - name, sender, recipient
        return False
    padded = all(topic[:12] == bytes(12) for topic in topics[1:])
    return topics[0] == TRANSFER_TOPIC and padded and len(data) == 32  # noqa: PLR2004 - a uint256


def _nodes(value: Any, name: str) -> list[bytes]:
    if not isinstance(value, list):
        raise ProofRefusedError("proof_malformed", f"{name} is not a list")
    return [_data(node, name) for node in value]


def _data(value: Any, name: str) -> bytes:
    try:
        return read_data(value, field=name)
    except UnprovenError as error:
        raise ProofRefusedError("proof_malformed", str(error)) from error
