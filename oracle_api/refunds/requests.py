"""What finance may ask about refunds, checked before anything else looks at it."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

import orjson
from pydantic import ConfigDict, StringConstraints, WithJsonSchema

from ledger.errors import RejectedError
from ledger.payment_uri import parse_address
from ledger.refund import RefundReason, RefundStatus
from ledger.units import Units, parse_bill
from oracle_api.forms import ADDRESS, BILL, ONE_LINE, TX_HASH, StrictRequest
from oracle_api.pages import is_id

MAX_NOTE: Final = 500
OPEN_STATUSES: Final = (
    RefundStatus.REQUESTED,
    RefundStatus.SENT,
    RefundStatus.MISMATCHED,
    RefundStatus.REVERSED,
)
"""What somebody still has to do something about, or to wait for."""

_TX_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)

Note = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NOTE, pattern=ONE_LINE)]


class NewRefundRequest(StrictRequest):
    """A refund to be made: how much, to whom, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "amount": "0.25",
                    "to": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
                    "reason": "duplicate_payment",
                    "note": "paid once more from another phone",
                }
            ]
        },
    )

    amount: Annotated[str, StringConstraints(max_length=100), WithJsonSchema(BILL)]
    to: Annotated[str, StringConstraints(max_length=100), WithJsonSchema(ADDRESS)]
    reason: Annotated[
        str,
        StringConstraints(max_length=40),
        WithJsonSchema({"type": "string", "enum": [str(one) for one in RefundReason]}),
    ]
    note: Note

    def canonical(self) -> bytes:
        """The request in one form, which tells whether a repeated one asks for the same."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_SORT_KEYS)


class TransactionRequest(StrictRequest):
    """The transaction that somebody sent from the treasury for a refund."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"txHash": "0x" + "5c" * 32}]},
    )

    txHash: Annotated[str, StringConstraints(max_length=100), WithJsonSchema(TX_HASH)]  # noqa: N815


class CancellationRequest(StrictRequest):
    """Why a refund is not to be made after all."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "asked for twice by mistake"}]},
    )

    note: Note


def read_refund_amount(text: str) -> Units:
    """How much to give back.

    Raises:
        RejectedError: `amount_invalid`.
    """
    amount = parse_bill(text)
    if amount == 0:
        raise RejectedError("amount_invalid", "amount must be more than 0", param="amount")
    return amount


def read_reason(text: str) -> RefundReason:
    """Why to give it back.

    Raises:
        RejectedError: `reason_unknown`.
    """
    try:
        return RefundReason(text)
    except ValueError:
        names = ", ".join(RefundReason)
        raise RejectedError(
            "reason_unknown", f"reason must be one of: {names}", param="reason"
        ) from None


def read_recipient(text: str, *, refused: Sequence[bytes]) -> bytes:
    """To whom to give it back; never to an address that could not keep it or is our own.

    Raises:
        RejectedError: `address_invalid`, `address_checksum_wrong` or `recipient_refused`.
    """
    recipient = parse_address(text, param="to")
    if not any(recipient) or recipient in refused:
        raise RejectedError("recipient_refused", "nobody gets a refund at this address", param="to")
    return recipient


def read_tx_hash(text: str) -> bytes:
    """A transaction's hash, in any case.

    Raises:
        RejectedError: `tx_hash_invalid`.
    """
    if _TX_HASH.fullmatch(text) is None:
        raise RejectedError(
            "tx_hash_invalid", "txHash must be 0x and 64 hex digits", param="txHash"
        )
    return bytes.fromhex(text[2:])


def read_refund_id(text: str) -> str:
    """A refund's id; what cannot be one is no refund.

    Raises:
        RejectedError: `refund_not_found`.
    """
    if not is_id(text, prefix="ref"):
        raise refund_not_found()
    return text


def refund_not_found() -> RejectedError:
    """The refusal for an id that no refund of this order has."""
    return RejectedError("refund_not_found", "there is no such refund of this order", param="id")
