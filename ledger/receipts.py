"""Receipts, accepted only when they hash to the header's receipts root."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.header import Header
from ledger.json_hex import UnprovenError, read_data, read_list, read_quantity
from ledger.ordered_trie import ordered_trie_root
from ledger.rlp_digits import data_digits, from_digits, list_digits, quantity_digits
from ledger.usual import encode_receipt as encode_usual_receipt

_TYPE_LIMIT = 0x7F


def prove_receipts(header: Header, receipts: Sequence[Mapping[str, Any]]) -> None:
    """Check all receipts of a block, as `eth_getBlockReceipts` answers them.

    What the root does not commit to but a reader would rely on (block hash, order, log indexes)
    must agree with it.

    Raises:
        UnprovenError: `field_malformed`, `receipts_root`, `receipts_of_another_block`,
            `receipt_order`, `log_index` or `log_removed`.
    """
    read_list(receipts, field="receipts")
    if ordered_trie_root([encode_receipt(receipt) for receipt in receipts]) != (
        header.receipts_root
    ):
        raise UnprovenError("receipts_root", "the receipts do not hash to the header's root")
    check_places(header, receipts)


def check_places(header: Header, receipts: Sequence[Mapping[str, Any]]) -> None:
    """Check what no root commits to: that receipts and logs name their block and their places.

    Raises:
        UnprovenError: `field_malformed`, `receipts_of_another_block`, `receipt_order`,
            `log_index` or `log_removed`.
    """
    log_index = 0
    for index, receipt in enumerate(receipts):
        _check_place(header, receipt, index)
        for log in receipt["logs"]:
            # The usual spelling needs no reading.
            if log.get("removed") or log.get("logIndex") != hex(log_index):
                _check_log(log, log_index)
            log_index += 1


def encode_receipt(receipt: Mapping[str, Any]) -> bytes:
    """The EIP-2718 encoding of a JSON-RPC receipt, as the trie holds it.

    Raises:
        UnprovenError: `field_malformed`.
    """
    payload = encode_usual_receipt(receipt)
    if payload is None:
        payload = from_digits(_receipt_digits(receipt))
    kind = read_quantity(receipt.get("type", "0x0"), field="type")
    if kind > _TYPE_LIMIT:
        raise UnprovenError("field_malformed", "type is out of range")
    return payload if kind == 0 else bytes((kind,)) + payload


def _receipt_digits(receipt: Mapping[str, Any]) -> str:
    root = receipt.get("root")
    outcome = (
        quantity_digits(receipt.get("status"), field="status")
        if root is None  # before Byzantium a receipt named the state root instead (EIP-658)
        else data_digits(root, field="root", length=32)
    )
    logs = read_list(receipt.get("logs"), field="logs")
    gas = quantity_digits(receipt.get("cumulativeGasUsed"), field="cumulativeGasUsed")
    bloom = data_digits(receipt.get("logsBloom"), field="logsBloom", length=256)
    log_digits = list_digits("".join([_log_digits(log) for log in logs]))
    return list_digits(outcome + gas + bloom + log_digits)


def _log_digits(log: Mapping[str, Any]) -> str:
    topics = read_list(log.get("topics"), field="topics")
    words = [data_digits(topic, field="topic", length=32) for topic in topics]
    return list_digits(
        data_digits(log.get("address"), field="address", length=20)
        + list_digits("".join(words))
        + data_digits(log.get("data"), field="data")
    )


def _check_place(header: Header, receipt: Mapping[str, Any], index: int) -> None:
    if read_data(receipt.get("blockHash"), field="blockHash", length=32) != header.hash:
        raise UnprovenError("receipts_of_another_block", "a receipt names another block")
    named = receipt.get("transactionIndex")
    # The usual spelling needs no reading.
    if named != hex(index) and read_quantity(named, field="transactionIndex") != index:
        raise UnprovenError("receipt_order", "the receipts are not in their block's order")


def _check_log(log: Mapping[str, Any], log_index: int) -> None:
    if log.get("removed"):
        raise UnprovenError("log_removed", "a log is marked as removed")
    if read_quantity(log.get("logIndex"), field="logIndex") != log_index:
        raise UnprovenError("log_index", "log indexes are missing or double")
