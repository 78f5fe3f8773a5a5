"""Transfers of BILL, read only out of proven receipts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ledger.keccak import keccak256
from ledger.units import Units

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
            sender, recipient, data = topics[1], topics[2], log["data"]
            if (
                len(data) != _WORD_CHARACTERS
                or sender[:_PADDED] != _ADDRESS_PADDING
                or recipient[:_PADDED] != _ADDRESS_PADDING
            ):
                continue
            yield Transfer(
                log_index,
                tx_index,
                tx_hashes[tx_index],
                bytes.fromhex(sender[_PADDED:]),
                bytes.fromhex(recipient[_PADDED:]),
                Units(int(data, 16)),
            )
