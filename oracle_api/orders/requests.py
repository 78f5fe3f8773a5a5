"""What a till may ask for, checked before anything else looks at it."""

import re
from typing import Annotated

import orjson
from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from ledger.errors import RejectedError
from ledger.units import Sen, parse_myr
from oracle_api.forms import ONE_LINE, ORDER_MYR, SKU, WHOLE, StrictRequest
from oracle_api.pages import is_id, read_before

MAX_ITEMS = 50
MAX_QUANTITY = 100
MAX_AMOUNT_SEN = 10_000_00
"""RM 10,000: no cafeteria order is larger, a typing error is."""

# What a collected period of a standing order is called: `contracts.standing_orders.order_id`.
_STANDING_ID = re.compile(r"ord_so_[0-9]{1,39}_[0-9]{1,20}", re.ASCII)
# As on student cards of any university; what is longer or stranger is a typing error.
_STUDENT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,31}$"


AmountMyr = Annotated[str, StringConstraints(max_length=20), WithJsonSchema(ORDER_MYR)]
StudentId = Annotated[str, StringConstraints(max_length=32, pattern=_STUDENT_ID_PATTERN)]


class Item(StrictRequest):
    """So many of one product."""

    sku: Annotated[str, StringConstraints(min_length=1, max_length=64), WithJsonSchema(SKU)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY), WHOLE]


class NewOrderRequest(StrictRequest):
    """An order to be made: either items of the catalogue or an amount in ringgit."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": [wanted],
                    "properties": {wanted: {"type": kind}, other: {"type": "null"}},
                }
                for wanted, kind, other in (
                    ("items", "array", "amountMyr"),
                    ("amountMyr", "string", "items"),
                )
            ],
            "examples": [
                {"items": [{"sku": "fresh-250ml", "quantity": 1}], "reference": "table 4"},
                {"amountMyr": "1.80", "studentId": "1211103456"},
            ],
        },
    )

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS)] | None = None
    amountMyr: AmountMyr | None = None  # noqa: N815
    reference: (
        Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=ONE_LINE)] | None
    ) = None

    expiresInSeconds: Annotated[int, Field(ge=1, le=86_400), WHOLE] | None = None  # noqa: N815
    studentId: StudentId | None = Field(default=None, repr=False)  # noqa: N815

    def canonical(self, customer: bytes | None) -> bytes:
        """What tells whether a repeated request asks for the same.

        Its hash is stored, so it rests on the customer's keyed hash: out of a hash of the student
        id itself anybody could find the id by trying all there are.
        """
        asked = self.model_dump(exclude={"studentId"})
        if self.expiresInSeconds is None:
            # As it was before there was this field, which a repeated request may meet.
            del asked["expiresInSeconds"]
        return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS) + (customer or b"")


def read_amount(text: str) -> Sen:
    """An order's amount.

    Raises:
        RejectedError: `amount_invalid`.
    """
    amount = parse_myr(text, param="amountMyr")
    if not 0 < amount <= MAX_AMOUNT_SEN:
        raise RejectedError(
            "amount_invalid",
            f"amountMyr must be more than 0 and at most {MAX_AMOUNT_SEN // 100}",
            param="amountMyr",
        )
    return amount


def read_order_id(text: str) -> str:
    """An order's id; what cannot be one is no order.

    Raises:
        RejectedError: `order_not_found`.
    """
    if not is_id(text, prefix="ord") and _STANDING_ID.fullmatch(text) is None:
        raise order_not_found()
    return text


def read_before_order(text: str | None) -> str | None:
    """Where a page of orders ends: an order's id, as `next` gave it.

    Raises:
        RejectedError: `before_invalid`.
    """
    if text is not None and _STANDING_ID.fullmatch(text) is not None:
        return text
    return read_before(text, prefix="ord")


def order_not_found() -> RejectedError:
    """The refusal for an id that no order has."""
    return RejectedError("order_not_found", "there is no such order", param="id")
