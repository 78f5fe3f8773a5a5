"""The form of what clients write, for OpenAPI: no wider than what is really taken."""

from typing import Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict


class StrictRequest(BaseModel):
    """A body that is taken as it was written: nothing more in it, nothing converted or changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
"""What people read later: nothing that the database cannot hold, that begins a new line, commands
a terminal, or turns the writing on somebody's screen around."""

ADDRESS: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^0x[0-9a-fA-F]{40}$",
    "format": "eip55-address",
    "description": "Of mixed case only with the right checksum (EIP-55).",
}
"""What only a checksum tells from others has a `format` of ours; so have the next two."""

SKU: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^[a-z0-9][a-z0-9-]{0,63}$",
    "format": "sku",
    "description": "One of `GET /api/v1/catalogue`.",
}
PUBLIC_URL: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 2048,
    "pattern": r"^https://[A-Za-z0-9]([A-Za-z0-9.-]{0,60}[A-Za-z0-9])?\.[A-Za-z]{2,20}"
    r"(:(443|8443))?(/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?$",
    "format": "public-https-url",
    "description": "`https`, a name on the public internet, port 443 or 8443.",
}
TX_HASH: Final[dict[str, Any]] = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
BYTES32: Final[dict[str, Any]] = {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"}
IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "type": "string",
    # No blank at an end, which HTTP would take off.
    "pattern": "^[!-~]([ -~]{0,253}[!-~])?$",
}
SIGNATURE: Final[dict[str, Any]] = {"type": "string", "pattern": "^0x[0-9a-fA-F]{130}$"}
UINT: Final[dict[str, Any]] = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,76})$"}

BILL: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^([1-9][0-9]{0,50}|0(?=\.[0-9]*[1-9]))(\.[0-9]{1,18})?$",
    "description": "A plain decimal in a string, more than 0.",
}
PRICE: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,8})?$",
    "description": "Ringgit a litre, a plain decimal in a string.",
}
ORDER_MYR: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^(0\.(0[1-9]|[1-9][0-9]?)|[1-9][0-9]{0,3}(\.[0-9]{1,2})?|10000(\.00?)?)$",
    "description": "Ringgit, more than 0 and at most 10000.",
}
ORDER_ID: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": "^ord_([0-9a-z]{26}|so_[0-9]{1,39}_[0-9]{1,20})$",
}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Beside `int` and behind its bounds: a whole number as JSON may write it, such as 2.0."""
