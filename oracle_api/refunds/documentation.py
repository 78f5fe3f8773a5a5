"""How the routes about refunds look in OpenAPI."""

from typing import Any

from fastapi import Response

from ledger.refund import RefundReason, RefundStatus
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    idempotency_key_header,
    json_response,
    malformed,
    page_schema,
    problem_response,
)

_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}

REFUND_EXAMPLE: dict[str, Any] = {
    "id": "ref_01jreq1x8w2f6k0m4h9c7d5e3a",
    "object": "refund",
    "orderId": "ord_01jrekt2p0c9zq8v5n3w7x4y6b",
    "storeId": "cafeteria",
    "status": "verified",
    "reason": "duplicate_payment",
    "note": "paid once more from another phone",
    "amount": "0.25",
    "amountUnits": "250000000000000000",
    "to": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "requestedBy": "acc_01jrej00000000000000000000",
    "createdAt": "2026-04-10T09:15:20.113Z",
    "txHash": "0x" + "5c" * 32,
    "proof": {
        "blockNumber": 4290,
        "blockHash": "0x" + "a1" * 32,
        "logIndex": 0,
        "finality": "included",
    },
    "cancelledAt": None,
    "verifiedAt": "2026-04-10T09:20:23.042Z",
    "settledAt": None,
    "version": 57,
}
_REQUESTED = REFUND_EXAMPLE | {
    "status": "requested",
    "txHash": None,
    "proof": None,
    "verifiedAt": None,
}
REFUND_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(REFUND_EXAMPLE),
    "properties": {name: dict(_TEXT) for name in REFUND_EXAMPLE}
    | {
        "status": {"type": "string", "enum": [str(status) for status in RefundStatus]},
        "reason": {"type": "string", "enum": [str(reason) for reason in RefundReason]},
        "txHash": {"type": ["string", "null"]},
        "proof": {
            "type": ["object", "null"],
            "description": "The transfer on the chain that proves it.",
        },
        "createdAt": _TEXT | {"format": "date-time"},
        "cancelledAt": _MOMENT,
        "verifiedAt": _MOMENT,
        "settledAt": _MOMENT,
        "version": {"type": "integer", "description": "Grows with every event about the refund."},
    },
}
_REFUND = json_response("The refund", REFUND_SCHEMA, REFUND_EXAMPLE)
_PAGE = json_response(
    "A page of refunds",
    page_schema(REFUND_SCHEMA, following="Send it as `before`."),
    {"data": [REFUND_EXAMPLE], "hasMore": False, "next": None},
)
_NO_ORDER = problem_response("There is no such order", 404, "order_not_found", "id")
_NO_REFUND = problem_response("There is no such refund", 404, "refund_not_found", "id")
_TOO_LARGE_BODY = problem_response("The body is too large", 413, "body_too_large", None)
_SHARED = {500: INTERNAL, 503: UNAVAILABLE}


def _route(summary: str, responses: dict[int, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | _SHARED,
        "openapi_extra": {"parameters": list(parameters)} if parameters else None,
    }


CREATE = _route(
    "Promise money back",
    {
        201: json_response(
            "The refund, made now or by the same request before", REFUND_SCHEMA, _REQUESTED
        ),
        **malformed("amount_invalid", "amount"),
        404: _NO_ORDER,
        409: problem_response(
            "More than may be refunded, not final yet, or the key came with another request",
            409,
            "refund_too_large",
            "amount",
        ),
        413: _TOO_LARGE_BODY,
    },
    idempotency_key_header("one a refund", required=True),
)
LIST_OF_ORDER = _route("An order's refunds, oldest first", {200: _PAGE, 404: _NO_ORDER})
LIST = _route(
    "List refunds, newest first",
    {200: _PAGE, 400: problem_response("A parameter is malformed", 400, "limit_invalid", "limit")},
)
READ = _route("Show a refund", {200: _REFUND, 404: _NO_REFUND})
RECORD = _route(
    "Record the transaction that pays a refund",
    {
        200: json_response(
            "The refund; a block proves it later",
            REFUND_SCHEMA,
            REFUND_EXAMPLE | {"status": "sent", "proof": None, "verifiedAt": None},
        ),
        **malformed("tx_hash_invalid", "txHash"),
        404: _NO_REFUND,
        409: problem_response("It was paid or cancelled", 409, "refund_already_proved", "id"),
        413: _TOO_LARGE_BODY,
    },
)
CANCEL = _route(
    "Cancel a refund whose money has not gone",
    {
        200: json_response(
            "The cancelled refund",
            REFUND_SCHEMA,
            _REQUESTED | {"status": "cancelled", "cancelledAt": "2026-04-10T09:17:00.000Z"},
        ),
        **malformed("parameter_invalid", "note"),
        404: _NO_REFUND,
        409: problem_response("The money has gone", 409, "refund_already_proved", "id"),
        413: _TOO_LARGE_BODY,
    },
)
