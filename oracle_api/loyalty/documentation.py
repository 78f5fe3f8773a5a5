"""How the routes about points and coupons look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    idempotency_key_header,
    json_response,
    malformed,
    off_response,
    problem_response,
    svg_response,
)

_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_ORDER_ID = "ord_01jrekt2p0c9zq8v5n3w7x4y6b"
_COUPON_ID = "cpn_7z1m0p4wq9x2c5v8n3k6h1d0aj"

_COUPON: dict[str, Any] = {
    "id": _COUPON_ID,
    "object": "coupon",
    "status": "usable",
    "orderId": _ORDER_ID,
    "qrPath": f"/api/v1/loyalty/coupons/{_COUPON_ID}/qr.svg",
    "madeAt": "2026-04-10T08:15:23.042Z",
    "voidedAt": None,
    "usedAt": None,
}
_COUPON_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(_COUPON),
    "properties": {name: dict(_TEXT) for name in _COUPON}
    | {
        "status": {"type": "string", "enum": ["usable", "used", "voided"]},
        "madeAt": {"type": "string", "format": "date-time"},
        "voidedAt": _MOMENT,
        "usedAt": _MOMENT,
    },
}
_BALANCE: dict[str, Any] = {
    "object": "loyalty_balance",
    "points": 0,
    "pointsACoupon": 5,
    "coupons": [_COUPON],
    "history": [
        {
            "kind": "redeem",
            "points": -5,
            "orderId": _ORDER_ID,
            "couponId": _COUPON_ID,
            "createdAt": "2026-04-10T08:15:23.042Z",
        },
        {
            "kind": "earn",
            "points": 1,
            "orderId": _ORDER_ID,
            "couponId": None,
            "createdAt": "2026-04-10T08:15:23.042Z",
        },
    ],
    "hasMore": False,
    "next": None,
}
_BALANCE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(_BALANCE),
    "properties": {
        "object": dict(_TEXT),
        "points": {
            "type": "integer",
            "description": "Below zero when a used coupon's payments were reversed.",
        },
        "pointsACoupon": {"type": "integer"},
        "coupons": {"type": "array", "items": _COUPON_SCHEMA},
        "history": {"type": "array", "items": {"type": "object"}},
        "hasMore": {"type": "boolean"},
        "next": {"type": ["integer", "null"], "description": "Send it as `before`."},
    },
}
_NOT_FOUND = problem_response("There is no such coupon", 404, "coupon_not_found", "id")
_SPENT = problem_response(
    "It has been used, or its payments were reversed", 409, "coupon_used", "id"
)
_SHARED: dict[int | str, Any] = {500: INTERNAL, 503: UNAVAILABLE}


BALANCE: Final[dict[str, Any]] = {
    "summary": "A student's points and coupons",
    "response_class": Response,
    "responses": {
        200: json_response("The balance", _BALANCE_SCHEMA, _BALANCE),
        **malformed("parameter_invalid", "studentId"),
        413: problem_response("The body is too large", 413, "body_too_large", None),
        **off_response("loyalty", "This oracle keeps no loyalty points", param="studentId"),
        **_SHARED,
    },
}
COUPON_QR: Final[dict[str, Any]] = {
    "summary": "A usable coupon as a QR code",
    "response_class": Response,
    "responses": {
        200: svg_response("An SVG image of the coupon's id"),
        404: _NOT_FOUND,
        409: _SPENT,
        **_SHARED,
    },
}
USE_COUPON: Final[dict[str, Any]] = {
    "summary": "Use a coupon for one milk",
    "response_class": Response,
    "responses": {
        200: json_response(
            "The coupon, used now or by the same request before",
            _COUPON_SCHEMA,
            _COUPON | {"status": "used", "usedAt": "2026-04-11T02:30:00.117Z"},
        ),
        400: problem_response(
            "A header is missing or malformed", 400, "idempotency_key_missing", "Idempotency-Key"
        ),
        404: _NOT_FOUND,
        409: _SPENT,
        **_SHARED,
    },
    "openapi_extra": {
        "parameters": [
            idempotency_key_header("one a coupon", required=True),
        ]
    },
}
