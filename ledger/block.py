"""A proven block: header, transactions and receipts that check, and the transfers in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.header import Header, prove_header
from ledger.json_hex import UnprovenError
from ledger.receipts import prove_receipts
from ledger.transactions import prove_transactions
from ledger.transfer import Transfer, read_transfers


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block whose every stored fact follows from its hash."""

    header: Header
    transfers: tuple[Transfer, ...]


def prove_block(
    block: Mapping[str, Any],
    receipts: Sequence[Mapping[str, Any]],
    *,
    expected_hash: bytes | None,
    token: bytes,
) -> ProvenBlock:
    """Prove a block with its full transactions and all receipts, and read `token`'s transfers.

    Raises:
        UnprovenError: whatever does not check; see `prove_header`, `prove_transactions` and
            `prove_receipts`.
    """
    try:
        header = prove_header(block, expected_hash=expected_hash)
        tx_hashes = prove_transactions(header, block["transactions"])
        prove_receipts(header, receipts)
    except (AttributeError, KeyError, TypeError) as error:
        # The answer has not even the shape of a block; which field is missing is in the cause.
        raise UnprovenError("field_malformed", "the answer is not a block") from error
    return ProvenBlock(header, read_transfers(receipts, tx_hashes=tx_hashes, token=token))
