"""How the routes about orders look in OpenAPI."""

from typing import Any

from fastapi import Response

from ledger.order import Finality, PolicyReason, Status
from oracle_api.documentation import (
    INTERNAL,
    KEY_REUSED,
    UNAVAILABLE,
    idempotency_key_header,
    json_response,
    malformed,
    off_response,
    page_schema,
    problem_response,
    svg_response,
)

_ID = "ord_01jrekt2p0c9zq8v5n3w7x4y6b"
_HASH = "0x" + "5c" * 32
_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}

PAYMENT_EXAMPLE = {
    "txHash": _HASH,
    "logIndex": 0,
    "blockNumber": 4211,
    "blockHash": "0x" + "a1" * 32,
    "amount": "0.25",
    "sender": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "confirmedAt": "2026-04-10T08:15:23Z",
}

ORDER_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "object": "order",
    "status": "paid",
    "storeId": "cafeteria",
    "reference": "table 4",
    "items": [
        {
            "sku": "fresh-250ml",
            "name": "Fresh milk 250 ml",
            "quantity": 1,
            "unitPriceMyr": "1.80",
        }
    ],
    "amountMyr": "1.80",
    "rateMyrPerBill": "7.2",
    "rateSource": "feed",
    "rateUpdatedAt": "2026-04-10T07:30:00Z",
    "rateAgeSeconds": 2701,
    "amountDue": "0.25",
    "amountDueUnits": "250000000000000000",
    "amountReceived": "0.25",
    "amountOwedBack": "0",
    "amountRefunded": "0",
    "chainId": 31337,
    "token": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "orderAddress": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "paymentUri": "ethereum:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed@31337/transfer"
    "?address=0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359&uint256=250000000000000000",
    "confirmationPolicy": {
        "requiredFinality": "included",
        "reason": "amount",
        "payerExposureLimitMyr": "10000.00",
        "storeExposureLimitMyr": "100000.00",
    },
    "createdAt": "2026-04-10T08:15:20.113Z",
    "expiresAt": "2026-04-10T08:30:20Z",
    "cancelledAt": None,
    "paidAt": "2026-04-10T08:15:23.042Z",
    "settledAt": None,
    "version": 42,
}

_STATUS = {"type": "string", "enum": [str(status) for status in Status]}
ORDER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(ORDER_EXAMPLE),
    "properties": {name: dict(_TEXT) for name in ORDER_EXAMPLE}
    | {
        "status": _STATUS,
        "reference": {"type": ["string", "null"]},
        "items": {"type": "array", "items": {"type": "object"}},
        "chainId": {"type": "integer"},
        "rateUpdatedAt": _MOMENT,
        "rateAgeSeconds": {"type": ["integer", "null"]},
        "version": {"type": "integer", "description": "Grows with every event about the order."},
        "confirmationPolicy": {
            "type": "object",
            "properties": {
                "requiredFinality": {"type": "string", "enum": [str(one) for one in Finality]},
                "reason": {"type": "string", "enum": [str(one) for one in PolicyReason]},
                "payerExposureLimitMyr": {"type": ["string", "null"]},
                "storeExposureLimitMyr": {"type": ["string", "null"]},
            },
        },
        "createdAt": _TEXT | {"format": "date-time"},
        "expiresAt": _TEXT | {"format": "date-time"},
        "cancelledAt": _MOMENT,
        "paidAt": _MOMENT,
        "settledAt": _MOMENT,
    },
}
_NEW_EXAMPLE: dict[str, Any] = ORDER_EXAMPLE | {
    "status": "awaiting_payment",
    "amountReceived": "0",
    "paidAt": None,
    "version": 41,
    "payments": [],
}
_PAID_EXAMPLE = ORDER_EXAMPLE | {"payments": [PAYMENT_EXAMPLE]}
_PAID_SCHEMA = ORDER_SCHEMA | {
    "properties": ORDER_SCHEMA["properties"]
    | {"payments": {"type": "array", "items": {"type": "object"}}}
}
_ORDER = json_response("The order", _PAID_SCHEMA, _PAID_EXAMPLE)
_NOT_FOUND = problem_response("There is no such order", 404, "order_not_found", "id")
_SHARED = {500: INTERNAL, 503: UNAVAILABLE}


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": dict(_TEXT),
        "example": example,
    }


def _route(summary: str, responses: dict[int, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | _SHARED,
        "openapi_extra": {"parameters": list(parameters)} if parameters else None,
    }


CREATE = _route(
    "Make an order",
    {
        201: json_response(
            "The order, made now or by the same request before",
            _PAID_SCHEMA,
            _NEW_EXAMPLE,
        ),
        **malformed("parameter_invalid", "items.0.sku"),
        409: KEY_REUSED,
        413: problem_response("The body is too large", 413, "body_too_large", None),
        **off_response("loyalty", "This oracle keeps no loyalty points", param="studentId"),
    },
    idempotency_key_header("one an order", required=True),
)
LIST = _route(
    "List orders, newest first",
    {
        200: json_response(
            "A page of orders",
            page_schema(ORDER_SCHEMA, following="Send it as `before`."),
            {"data": [ORDER_EXAMPLE], "hasMore": False, "next": None},
        ),
        400: problem_response("A parameter is malformed", 400, "limit_invalid", "limit"),
    },
)
READ = _route(
    "Show an order",
    {
        200: _ORDER,
        304: {"description": "Unchanged since If-None-Match"},
        404: _NOT_FOUND,
    },
    _header("If-None-Match", "The ETag of what you have.", '"42-9f86d081884c"'),
    _header("Prefer", "`wait=N`: hold up to N seconds while the order is unchanged.", "wait=20"),
)
CANCEL = _route(
    "Cancel an order that nobody has paid",
    {
        200: json_response(
            "The cancelled order",
            _PAID_SCHEMA,
            _NEW_EXAMPLE
            | {"status": "cancelled", "cancelledAt": "2026-04-10T08:16:02.510Z", "version": 42},
        ),
        404: _NOT_FOUND,
        409: problem_response("It has been paid", 409, "order_not_cancellable", "id"),
    },
)
QR = _route(
    "The order's payment request as a QR code",
    {
        200: svg_response("An SVG image of the EIP-681 URI"),
        304: {"description": "Unchanged since If-None-Match"},
        404: _NOT_FOUND,
    },
)
