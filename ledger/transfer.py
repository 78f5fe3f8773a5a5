"""Transfers of BILL, read only out of proven receipts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.json_hex import read_data
from ledger.keccak import keccak256
from ledger.units import Units

TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")

_TRANSFER_TOPIC_HEX = "0x" + TRANSFER_TOPIC.hex()
_TOPIC_COUNT = 3
_AMOUNT_LENGTH = 32
_ADDRESS_PADDING = bytes(12)


@dataclass(frozen=True, slots=True)
class Transfer:
    """An ERC-20 `Transfer` log of BILL; addresses are 20 bytes, `amount` is in base units."""

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
    return tuple(_transfers(receipts, tx_hashes, token))


def _transfers(
    receipts: Sequence[Mapping[str, Any]], tx_hashes: Sequence[bytes], token: bytes
) -> Iterator[Transfer]:
    token_hex = "0x" + token.hex()
    log_index = -1
    for tx_index, receipt in enumerate(receipts):
        for log in receipt["logs"]:
            log_index += 1
            topics = log["topics"]
            if (
                len(topics) != _TOPIC_COUNT
                or topics[0].lower() != _TRANSFER_TOPIC_HEX
                or log["address"].lower() != token_hex
            ):
                continue
            sender, recipient = (read_data(topic, field="topic", length=32) for topic in topics[1:])
            amount = read_data(log["data"], field="data")
            if len(amount) != _AMOUNT_LENGTH or not (
                sender.startswith(_ADDRESS_PADDING) and recipient.startswith(_ADDRESS_PADDING)
            ):
                continue
            yield Transfer(
                log_index=log_index,
                tx_index=tx_index,
                tx_hash=tx_hashes[tx_index],
                sender=sender[12:],
                recipient=recipient[12:],
                amount=Units(int.from_bytes(amount, "big")),
            )
