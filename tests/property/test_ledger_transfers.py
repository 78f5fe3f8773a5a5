"""A transfer is a log of the token that is one in every byte; what only looks like one is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lean import search

from ledger.transfer import TRANSFER_TOPIC, Transfer, read_transfers
from ledger.units import UINT256_MAX, Units

TOKEN = bytes(range(20))
OTHER = bytes(20)
SENDER = b"\x51" * 20
RECIPIENT = b"\x52" * 20
TX = b"\x07" * 32

addresses = st.binary(min_size=20, max_size=20)
amounts = st.integers(0, UINT256_MAX)


def word(data: bytes) -> str:
    return "0x" + data.rjust(32, b"\0").hex()


def log(amount: int = 5, **changes: Any) -> dict[str, Any]:
    topics = [word(TRANSFER_TOPIC), word(SENDER), word(RECIPIENT)]
    data = word(amount.to_bytes(32, "big"))
    return {"address": "0x" + TOKEN.hex(), "topics": topics, "data": data} | changes


def read(*receipts: list[dict[str, Any]]) -> tuple[Transfer, ...]:
    hashes = tuple(bytes([index]) * 32 for index in range(len(receipts)))
    return read_transfers([{"logs": logs} for logs in receipts], tx_hashes=hashes, token=TOKEN)


def test_the_topic_is_erc20s() -> None:
    known = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    assert TRANSFER_TOPIC.hex() == known


@pytest.mark.parametrize("amount", [0, 1, UINT256_MAX])
def test_reads_every_amount(amount: int) -> None:
    assert read([log(amount)]) == (Transfer(0, 0, bytes(32), SENDER, RECIPIENT, Units(amount)),)


@search()
@given(sender=addresses, recipient=addresses, amount=amounts, upper=st.booleans())
def test_reads_back_what_was_logged(
    sender: bytes, recipient: bytes, amount: int, *, upper: bool
) -> None:
    entry = log(amount, topics=[word(TRANSFER_TOPIC), word(sender), word(recipient)])
    if upper:  # some nodes write checksummed addresses and upper-case digits
        entry = {
            "address": "0x" + entry["address"][2:].upper(),
            "topics": ["0x" + topic[2:].upper() for topic in entry["topics"]],
            "data": "0x" + entry["data"][2:].upper(),
        }
    (transfer,) = read([entry])
    assert (transfer.sender, transfer.recipient, transfer.amount) == (sender, recipient, amount)


DIRTY = "0x" + "01" + "00" * 11 + RECIPIENT.hex()
LOOK_ALIKES = {
    "of another contract": log(address="0x" + OTHER.hex()),
    "of another event": log(topics=[word(b"\x01" * 32), word(SENDER), word(RECIPIENT)]),
    "an ERC-721 transfer: four topics": log(topics=[*log()["topics"], word(b"\x01")]),
    "a transfer with nothing indexed": log(topics=[word(TRANSFER_TOPIC)]),
    "two topics": log(topics=log()["topics"][:2]),
    "no topics": log(topics=[]),
    "dirty padding of the sender": log(topics=[word(TRANSFER_TOPIC), DIRTY, word(RECIPIENT)]),
    "dirty padding of the recipient": log(topics=[word(TRANSFER_TOPIC), word(SENDER), DIRTY]),
    "no data": log(data="0x"),
    "data too short": log(data="0x" + "00" * 31),
    "data too long": log(data="0x" + "00" * 33),
    "two words of data": log(data="0x" + "00" * 64),
}


@pytest.mark.parametrize("entry", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_a_look_alike_is_no_transfer_but_keeps_its_number(entry: dict[str, Any]) -> None:
    found = read([entry, log(1)], [log(2), entry, log(3)])
    assert [(item.log_index, item.tx_index, item.amount) for item in found] == [
        (1, 0, 1),
        (2, 1, 2),
        (4, 1, 3),
    ]


@search()
@given(st.lists(st.lists(st.one_of(amounts, st.none()), max_size=5), max_size=6))
def test_log_indexes_count_over_the_whole_block(plan: list[list[int | None]]) -> None:
    """None stands for a log of another contract."""
    foreign = log(address="0x" + OTHER.hex())
    receipts = [[foreign if amount is None else log(amount) for amount in logs] for logs in plan]
    expected, number = [], 0
    for tx_index, logs in enumerate(plan):
        for amount in logs:
            if amount is not None:
                expected.append((number, tx_index, bytes([tx_index]) * 32, amount))
            number += 1
    found = read(*receipts)
    assert [(item.log_index, item.tx_index, item.tx_hash, item.amount) for item in found] == (
        expected
    )
