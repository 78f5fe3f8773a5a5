"""What clients send to the relay, read strictly."""

import re
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from ledger.errors import RejectedError
from oracle_api.forms import ADDRESS, BYTES32, ORDER_ID, SIGNATURE, UINT, StrictRequest

Text = Annotated[str, StringConstraints(max_length=200)]

_SUBMISSION_ID = re.compile(r"rly_[0-9a-z]{26}", re.ASCII)

EXAMPLE: Final[dict[str, Any]] = {
    "orderId": "ord_01jrekt2p0c9zq8v5n3w7x4y6b",
    "from": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "value": "250000000000000000",
    "validAfter": "0",
    "validBefore": "1775809800",
    "nonce": "0x" + "7e" * 32,
    "signature": "0x" + "3c" * 64 + "1b",
}


class SubmitRequest(StrictRequest):
    """An ERC-3009 authorisation for an order; `to` is the order's address and is not sent.

    Numbers are strings, as in the signed message: JSON numbers lose digits.
    """

    model_config = ConfigDict(
        populate_by_name=False,
        json_schema_extra={"examples": [{**EXAMPLE}]},
    )

    orderId: Annotated[Text, WithJsonSchema(ORDER_ID)]  # noqa: N815
    owner: Annotated[Text, Field(alias="from"), WithJsonSchema(ADDRESS)]
    value: Annotated[Text, WithJsonSchema(UINT)]
    validAfter: Annotated[Text, WithJsonSchema(UINT)]  # noqa: N815
    validBefore: Annotated[Text, WithJsonSchema(UINT)]  # noqa: N815
    nonce: Annotated[Text, WithJsonSchema(BYTES32)]
    signature: Annotated[Text, WithJsonSchema(SIGNATURE)]


def read_submission_id(text: str) -> str:
    """A submission's id; what cannot be one is none.

    Raises:
        RejectedError: `submission_not_found`.
    """
    if _SUBMISSION_ID.fullmatch(text) is None:
        raise submission_not_found()
    return text


def submission_not_found() -> RejectedError:
    """The refusal for an id that no submission has."""
    return RejectedError("submission_not_found", "there is no such submission", param="id")
