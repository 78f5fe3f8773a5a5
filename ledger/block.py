"""A proven block: header, transactions and receipts that check, and the transfers in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.contract_event import ContractEvent, EventReader, read_no_events
from ledger.header import Header, prove_header
from ledger.json_hex import UnprovenError, read_data
from ledger.receipts import prove_receipts
from ledger.transactions import prove_transactions
from ledger.transfer import Transfer, read_transfers


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block whose every stored fact follows from its hash."""

    header: Header
    transfers: tuple[Transfer, ...]
    events: tuple[ContractEvent, ...] = ()


def prove_block(
    block: Mapping[str, Any],
    receipts: Sequence[Mapping[str, Any]],
    *,
    expected_hash: bytes | None,
    token: bytes,
    read_events: EventReader = read_no_events,
) -> ProvenBlock:
    """Prove a block with its full transactions and all receipts, and read what we follow in it.

    That is `token`'s transfers, and the events of other contracts as `read_events` decodes them.

    Raises:
        UnprovenError: `receipt_transaction`, or whatever else does not check; see `prove_header`,
            `prove_transactions` and `prove_receipts`.
    """
    try:
        header = prove_header(block, expected_hash=expected_hash)
        tx_hashes = prove_transactions(header, block["transactions"])
        prove_receipts(header, receipts)
        _check_names(receipts, tx_hashes)
    except (AttributeError, KeyError, TypeError) as error:
        # The answer has not even the shape of a block; which field is missing is in the cause.
        raise UnprovenError("field_malformed", "the answer is not a block") from error
    return ProvenBlock(
        header,
        read_transfers(receipts, tx_hashes=tx_hashes, token=token),
        read_events(receipts, tx_hashes=tx_hashes),
    )


def _check_names(receipts: Sequence[Mapping[str, Any]], tx_hashes: Sequence[bytes]) -> None:
    """Check that each transaction has its receipt, under its own name.

    The two roots do not commit to each other: a made-up header may have more receipts than
    transactions.
    """
    if len(receipts) != len(tx_hashes):
        raise UnprovenError("receipt_transaction", "transactions and receipts do not pair up")
    for receipt, tx_hash in zip(receipts, tx_hashes, strict=True):
        named = read_data(receipt.get("transactionHash"), field="transactionHash", length=32)
        if named != tx_hash:
            raise UnprovenError("receipt_transaction", "a receipt names another transaction")
