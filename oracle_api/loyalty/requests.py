"""What may be asked about points and coupons, checked before anything else looks at it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from ledger.errors import RejectedError
from oracle_api.forms import WHOLE, StrictRequest
from oracle_api.orders.requests import StudentId
from oracle_api.pages import is_id

MAX_COUPONS = 50
MAX_POSTINGS = 100


class BalanceRequest(StrictRequest):
    """Whose points; in a body, since addresses end up in the logs of every proxy."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"studentId": "1211103456"}]},
    )

    studentId: StudentId = Field(repr=False)  # noqa: N815
    before: Annotated[int, Field(ge=1, le=2**53), WHOLE] | None = None
    """Continue the history before this posting, as `next` gave it."""


def read_coupon_id(text: str) -> str:
    """A coupon's id; what cannot be one is no coupon.

    Raises:
        RejectedError: `coupon_not_found`.
    """
    if not is_id(text, prefix="cpn"):
        raise RejectedError("coupon_not_found", "there is no such coupon", param="id")
    return text
