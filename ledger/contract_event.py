"""What a followed contract said in a proven log: its name for it, and its typed arguments."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ledger.keccak import keccak256

Arguments = dict[str, Any]
"""Whole numbers as decimal text, addresses and bytes as 0x-hex, structs as objects, bools."""


class ContractEvent(NamedTuple):
    """A log of a contract that the ledger follows, decoded; its place is as a transfer's."""

    log_index: int
    tx_index: int
    tx_hash: bytes
    contract: str
    name: str
    arguments: Arguments


class EventReader(Protocol):
    """Reads the events of followed contracts out of a block's proven receipts."""

    def __call__(
        self, receipts: Sequence[Mapping[str, Any]], *, tx_hashes: Sequence[bytes]
    ) -> tuple[ContractEvent, ...]:
        """The events in log order; what only looks like one is none."""


def read_no_events(
    receipts: Sequence[Mapping[str, Any]], *, tx_hashes: Sequence[bytes]
) -> tuple[ContractEvent, ...]:
    """The reader of a ledger that follows no contract beside the token."""
    del receipts, tx_hashes
    return ()


def canonical_arguments(arguments: Arguments) -> str:
    """The arguments as the one text that they are hashed, compared and exported in.

    JSON without blanks, names in the order of their code points, nothing escaped that JSON does
    not require to be (RFC 8785, for there are no numbers in it).
    """
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def event_digest(event: ContractEvent) -> bytes:
    """The hash of an event's row; fields that vary in length are hashed by themselves."""
    return keccak256(
        event.log_index.to_bytes(4, "big")
        + event.tx_index.to_bytes(4, "big")
        + event.tx_hash
        + keccak256(event.contract.encode())
        + keccak256(event.name.encode())
        + keccak256(canonical_arguments(event.arguments).encode())
    )
