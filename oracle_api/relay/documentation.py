"""How the relay's routes look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from ledger.order import Status
from ledger.store.relay_submissions import SubmissionStatus
from oracle_api.documentation import INTERNAL, json_response, off_response, problem_response
from oracle_api.relay.requests import EXAMPLE

SUBMIT_PATH: Final = "/api/v1/payments/submit"
SHOW_PATH: Final = "/api/v1/payments/submissions/{submission_id}"

_TEXT: dict[str, Any] = {"type": "string"}

SUBMISSION_EXAMPLE: Final[dict[str, Any]] = {
    "relayId": "rly_01jrekt5d8x0w2m4c6v8b1n3q5",
    "object": "submission",
    "orderId": EXAMPLE["orderId"],
    "orderStatus": "awaiting_payment",
    "status": "broadcast",
    "txHash": "0x" + "5c" * 32,
    "landedBy": None,
    "blockNumber": None,
    "isFinal": False,
    "from": EXAMPLE["from"],
    "to": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "value": EXAMPLE["value"],
    "nonce": EXAMPLE["nonce"],
    "createdAt": "2026-04-10T08:15:21.004Z",
}

SUBMISSION_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(SUBMISSION_EXAMPLE),
    "properties": {name: dict(_TEXT) for name in SUBMISSION_EXAMPLE}
    | {
        "orderStatus": {"type": "string", "enum": [str(one) for one in Status]},
        "status": {"type": "string", "enum": [str(one) for one in SubmissionStatus]},
        "landedBy": {"type": ["string", "null"], "enum": ["relayer", "other", None]},
        "blockNumber": {"type": ["integer", "null"]},
        "isFinal": {"type": "boolean"},
        "createdAt": _TEXT | {"format": "date-time"},
    },
}

_PREFER: Final[dict[str, Any]] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: hold up to N seconds until the order is paid or never will be.",
    "schema": dict(_TEXT),
    "example": "wait=5",
}


def _route(summary: str, responses: dict[int, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | {500: INTERNAL},
        "openapi_extra": {"parameters": [_PREFER]},
    }


SUBMIT: Final = _route(
    "Pay an order without gas",
    {
        202: json_response(
            "Taken over, now or by the same request before", SUBMISSION_SCHEMA, SUBMISSION_EXAMPLE
        ),
        400: problem_response(
            "The authorisation would pay nothing", 400, "signature_invalid", "signature"
        ),
        404: problem_response("There is no such order", 404, "order_not_found", "id"),
        409: problem_response("A payment is on its way", 409, "order_being_paid", "orderId"),
        413: problem_response("The body is too large", 413, "body_too_large", None),
        429: problem_response(
            "We pay no more gas for this wallet today", 429, "payer_budget_exhausted", "from"
        ),
        503: problem_response("The relay cannot pay now", 503, "relay_unavailable", None),
        **off_response("relay", "This oracle pays no gas for others"),
    },
)
SHOW: Final = _route(
    "What became of a submission",
    {
        200: json_response(
            "The submission",
            SUBMISSION_SCHEMA,
            SUBMISSION_EXAMPLE
            | {
                "orderStatus": "paid",
                "status": "included",
                "landedBy": "relayer",
                "blockNumber": 4211,
            },
        ),
        404: problem_response("There is no such submission", 404, "submission_not_found", "id"),
        503: problem_response("The database is away", 503, "database_unavailable", None),
    },
)
