"""How the routes about standing orders look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    malformed,
    off_response,
    page_schema,
    problem_response,
)
from oracle_api.standing_orders.requests import EXAMPLE
from oracle_api.standing_orders.resource import StandingStatus

STANDING_ORDER_EXAMPLE: Final[dict[str, Any]] = {
    "id": "sto_" + "5c" * 32,
    "object": "standing_order",
    "status": "collected",
    "payer": EXAMPLE["payer"],
    "merchant": EXAMPLE["merchant"],
    "intoVaults": True,
    "litres": "2",
    "periodSeconds": 604_800,
    "priceMode": "all_milk",
    "fixedPrice": "0.00",
    "maxPrice": "7.50",
    "rate": "7.20",
    "mostPerPeriod": "2.083334",
    "startsAt": "2026-04-10T08:00:00Z",
    "endsAt": "2026-07-10T08:00:00Z",
    "nonce": "1",
    "registeredAt": "2026-04-09T12:00:00.000Z",
    "collected": {"count": 3, "bill": "6.25", "lastPeriod": 2},
    "lastAttempt": {
        "outcome": "sent",
        "reason": None,
        "period": 2,
        "txHash": "0x" + "5c" * 32,
        "attemptedAt": "2026-04-24T08:00:10.000Z",
    },
}
_NEW_EXAMPLE: Final = STANDING_ORDER_EXAMPLE | {
    "status": "due",
    "collected": {"count": 0, "bill": "0", "lastPeriod": None},
    "lastAttempt": None,
}
_KINDS: Final[dict[type, dict[str, Any]]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    dict: {"type": ["object", "null"]},
}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(STANDING_ORDER_EXAMPLE),
    "properties": {name: _KINDS[type(value)] for name, value in STANDING_ORDER_EXAMPLE.items()}
    | {"status": {"type": "string", "enum": [str(one) for one in StandingStatus]}},
}
_NOT_FOUND: Final = problem_response(
    "There is no such standing order", 404, "standing_order_not_found", "id"
)


def _route(summary: str, responses: dict[int, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | {500: INTERNAL, 503: UNAVAILABLE},
    }


CREATE: Final = _route(
    "Register a standing order",
    {
        201: json_response("Registered, now or before", SCHEMA, _NEW_EXAMPLE),
        400: problem_response("The terms are wrong", 400, "signature_invalid", "signature"),
        409: problem_response("The account has too many", 409, "too_many_standing_orders", None),
        **off_response("standing_orders", "This oracle collects no standing orders"),
    },
)
LIST: Final = _route(
    "Standing orders",
    {
        200: json_response(
            "A page, newest first",
            page_schema(SCHEMA),
            {"data": [STANDING_ORDER_EXAMPLE], "hasMore": False, "next": None},
        ),
        **malformed("limit_invalid", "limit"),
    },
)
READ: Final = _route(
    "One standing order",
    {
        200: json_response("The standing order", SCHEMA, STANDING_ORDER_EXAMPLE),
        404: _NOT_FOUND,
    },
)
