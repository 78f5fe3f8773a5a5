"""Transfers of BILL, read only out of proven receipts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ledger.keccak import keccak256
from ledger.units import Units
from ledger.usual import read_transfers as read_usual_transfers

TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")

_TRANSFER_TOPIC_HEX = "0x" + TRANSFER_TOPIC.hex()
_TOPIC_COUNT = 3
_WORD_CHARACTERS = 2 + 2 * 32
_ADDRESS_PADDING = "0x" + 24 * "0"
_PADDED = len(_ADDRESS_PADDING)


class Transfer(NamedTuple):
    """An ERC-20 `Transfer` log of BILL; addresses are 20 bytes, `amount` is in base units.

    A tuple, because history makes millions of them and a dataclass takes three times as long.
    """

    log_index: int
    tx_index: int
    tx_hash: bytes
    sender: bytes
    recipient: bytes
    amount: Units


def read_transfers(
    receipts: Sequence[Mapping[str, Any]], *, tx_hashes: Sequence[bytes], token: bytes
) -> tuple[Transfer, ...]:
    """The transfers of `token` in a block's proven receipts, in log order.

    A log of another contract, or one that only looks like a Transfer (another number of topics,
    dirty address padding, another data length), is none.
    """
    usual = read_usual_transfers(receipts, tx_hashes, TRANSFER_TOPIC, token, Transfer)
    if usual is not None:
        return tuple(usual)
    token_hex, log_index, found = "0x" + token.hex(), -1, []
    for tx_index, (receipt, tx_hash) in enumerate(zip(receipts, tx_hashes, strict=True)):
        for log in receipt["logs"]:
            log_index += 1
            topics = log["topics"]
            if len(topics) != _TOPIC_COUNT:
                continue
            topic, sender, recipient = topics
            if topic.lower() != _TRANSFER_TOPIC_HEX or log["address"].lower() != token_hex:
                continue
            data = log["data"]
            if (
                len(data) != _WORD_CHARACTERS
                or sender[:_PADDED] != _ADDRESS_PADDING
                or recipient[:_PADDED] != _ADDRESS_PADDING
            ):
                continue
            found.append(
                Transfer(
                    log_index,
                    tx_index,
                    tx_hash,
                    bytes.fromhex(sender[_PADDED:]),
                    bytes.fromhex(recipient[_PADDED:]),
                    Units(int(data, 16)),
                )
            )
    return tuple(found)
