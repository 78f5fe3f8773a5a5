"""Transactions and logs before they are in a block, genuine transfers and what looks like them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from ledger.json_hex import to_hex
from ledger.keccak import keccak256
from ledger.transactions import encode_transaction
from ledger.transfer import TRANSFER_TOPIC

APPROVAL_TOPIC = keccak256(b"Approval(address,address,uint256)")
PRICE_TOPIC = keccak256(b"AnswerUpdated(int256,uint256,uint256)")

_WORD = 32
_GAS = 65_000
_GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Movement:
    """What a genuine transfer log moves: who, to whom, and how many base units."""

    sender: bytes
    recipient: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class LogDraft:
    """A log before its place is known; `movement` says what the model means by it, if anything."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    movement: Movement | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A signed-looking transaction; it keeps its hash when another block includes it again."""

    fields: Mapping[str, Any]
    hash: bytes
    logs: tuple[LogDraft, ...]


def transfer_log(token: bytes, sender: bytes, recipient: bytes, amount: int) -> LogDraft:
    """A genuine `Transfer` of the token."""
    return LogDraft(
        token,
        (TRANSFER_TOPIC, _word(sender), _word(recipient)),
        amount.to_bytes(_WORD, "big"),
        Movement(sender, recipient, amount),
    )


def price_log(feed: bytes, price: int, *, round_id: int) -> LogDraft:
    """A price feed's `AnswerUpdated`, as an indexer that follows the feed reads it."""
    return LogDraft(
        feed,
        (PRICE_TOPIC, price.to_bytes(_WORD, "big"), round_id.to_bytes(_WORD, "big")),
        round_id.to_bytes(_WORD, "big"),
    )


def lookalike_logs(
    token: bytes, sender: bytes, recipient: bytes, amount: int
) -> tuple[LogDraft, ...]:
    """Logs that a careless reader takes for a transfer, and that are none.

    In order: another contract's, an ERC-721-like one with four topics, one with two topics, dirty
    bytes above an address, data that is too long, too short, and another event of the token.
    """
    topics = (TRANSFER_TOPIC, _word(sender), _word(recipient))
    data = amount.to_bytes(_WORD, "big")
    stranger = keccak256(b"another token" + token)[-20:]
    return (
        LogDraft(stranger, topics, data),
        LogDraft(token, (*topics, data), b""),
        LogDraft(token, topics[:2], data),
        LogDraft(token, (TRANSFER_TOPIC, b"\x01" + bytes(11) + sender, topics[2]), data),
        LogDraft(token, topics, data + bytes(_WORD)),
        LogDraft(token, topics, data[:-1]),
        LogDraft(token, (APPROVAL_TOPIC, *topics[1:]), data),
    )


def draft_transaction(
    random: Random, *, chain_id: int, to: bytes, logs: Sequence[LogDraft], kind: int = 2
) -> Draft:
    """A transaction of type 0 or 2 whose signature is arbitrary: only its hash is ever checked."""
    fields: dict[str, Any] = {
        "type": hex(kind),
        "nonce": hex(random.getrandbits(24)),
        "gas": hex(_GAS + _GAS * len(logs)),
        "to": to_hex(to),
        "value": "0x0",
        "input": to_hex(random.randbytes(random.choice((0, 4, 68)))),
        "r": hex(random.getrandbits(255) | 1),
        "s": hex(random.getrandbits(254) | 1),
        "from": to_hex(random.randbytes(20)),
    }
    parity = random.getrandbits(1)
    if kind == 0:
        fields |= {"gasPrice": hex(2 * _GWEI), "v": hex(35 + 2 * chain_id + parity)}
    else:
        fields |= {
            "chainId": hex(chain_id),
            "maxPriorityFeePerGas": hex(_GWEI),
            "maxFeePerGas": hex(3 * _GWEI),
            "gasPrice": hex(2 * _GWEI),
            "accessList": [],
            "yParity": hex(parity),
            "v": hex(parity),
        }
    tx_hash = keccak256(encode_transaction(fields))
    return Draft(fields | {"hash": to_hex(tx_hash)}, tx_hash, tuple(logs))


def _word(address: bytes) -> bytes:
    return address.rjust(_WORD, b"\0")
