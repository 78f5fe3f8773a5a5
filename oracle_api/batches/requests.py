"""What clients ask about batches."""

import re
from dataclasses import dataclass

from ledger.errors import RejectedError
from ledger.payment_uri import parse_address
from ledger.store.batches import Batch
from ledger.store.market import Offer, StoredPurchase

_BATCH = re.compile(r"bat_([0-9a-f]{40})_([0-9a-f]{64})", re.ASCII)
_PLACE = re.compile(r"pos_([0-9]{1,18})_([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class BatchId:
    """A dairy and its own id of a batch, as 0x-hex."""

    dairy: str
    batch_id: str


def read_batch_id(text: str) -> BatchId:
    """A batch's id: `bat_`, the dairy's address and the dairy's own id, in lower-case hex.

    Raises:
        RejectedError: `batch_not_found`: no batch is called so.
    """
    match = _BATCH.fullmatch(text)
    if match is None:
        raise batch_not_found()
    return BatchId(f"0x{match.group(1)}", f"0x{match.group(2)}")


def batch_not_found() -> RejectedError:
    """The refusal for an id that no accepted batch has."""
    return RejectedError("batch_not_found", "there is no such batch", param="id")


def read_party(text: str | None, *, param: str) -> str | None:
    """The address of a dairy or a supplier, lower-case hex.

    Raises:
        RejectedError: `address_invalid` or `address_checksum_wrong`.
    """
    return None if text is None else "0x" + parse_address(text, param=param).hex()


def read_place(text: str | None) -> tuple[int, int] | None:
    """Where a page of events ends: block number and log index, as `next` gave it.

    Raises:
        RejectedError: `before_invalid`.
    """
    if text is None:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise RejectedError("before_invalid", "before must be what `next` said", param="before")
    return int(match.group(1)), int(match.group(2))


def write_place(event: Batch | Offer | StoredPurchase) -> str:
    """The cursor that `read_place` reads."""
    return f"pos_{event.block_number}_{event.log_index}"
