"""How the routes about webhooks look in OpenAPI."""

from typing import Any

from fastapi import Response

from ledger.event_types import EVENT_TYPES
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
)
from oracle_api.webhooks.message import PING
from oracle_api.webhooks.requests import STATUSES
from oracle_api.webhooks.signing import SecretKind

_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_ID = "whe_01jrekt2p0c9zq8v5n3w7x4y6b"

SECRET_EXAMPLE: dict[str, Any] = {
    "id": "whs_01jrekt2p0c9zq8v5n3w7x4y6c",
    "signing": "hmac",
    "publicKey": None,
    "createdAt": "2026-04-10T08:15:23.042Z",
    "expiresAt": None,
}
WEBHOOK_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "object": "webhook",
    "accountId": "acc_01jrekt2p0c9zq8v5n3w7x4y6d",
    "url": "https://shop.example/billcoin",
    "eventTypes": ["order.paid", "order.reversed"],
    "description": "the shop's till",
    "enabled": True,
    "disabledReason": None,
    "disabledAt": None,
    "failingSince": None,
    "notice": None,
    "secrets": [SECRET_EXAMPLE],
    "createdAt": "2026-04-10T08:15:23.042Z",
}
WEBHOOK_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(WEBHOOK_EXAMPLE),
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "webhook"},
        "accountId": {"type": "string"},
        "url": {"type": "string"},
        "eventTypes": {
            "type": "array",
            "items": {"type": "string", "enum": sorted(EVENT_TYPES)},
            "description": "None means all.",
        },
        "description": _TEXT_OR_NULL,
        "enabled": {"type": "boolean"},
        "disabledReason": {
            "type": ["string", "null"],
            "enum": ["gone", "failing", "by_owner", None],
        },
        "disabledAt": _MOMENT,
        "failingSince": _MOMENT | {"description": "Since when every attempt has failed."},
        "notice": _TEXT_OR_NULL | {"description": "For a person; may change."},
        "secrets": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(SECRET_EXAMPLE),
                "properties": {
                    "id": {"type": "string"},
                    "signing": {"type": "string", "enum": [str(kind) for kind in SecretKind]},
                    "publicKey": _TEXT_OR_NULL | {"description": "`whpk_...`, for ed25519."},
                    "createdAt": {"type": "string", "format": "date-time"},
                    "expiresAt": _MOMENT | {"description": "When it signs no more."},
                },
            },
        },
        "createdAt": {"type": "string", "format": "date-time"},
    },
}
_MADE_EXAMPLE = WEBHOOK_EXAMPLE | {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
    "secretWithheld": False,
}
_MADE_SCHEMA = WEBHOOK_SCHEMA | {
    "required": list(_MADE_EXAMPLE),
    "properties": WEBHOOK_SCHEMA["properties"]
    | {
        "secret": _TEXT_OR_NULL
        | {"description": "`whsec_...`: keep it, it is not shown again. Null for ed25519."},
        "secretWithheld": {
            "type": "boolean",
            "description": "In a repeated answer: it is not valid any more. Rotate.",
        },
    },
}

DELIVERY_EXAMPLE: dict[str, Any] = {
    "id": "whd_01jrekt2p0c9zq8v5n3w7x4y6b_000000000000002a",
    "object": "delivery",
    "webhookId": _ID,
    "eventId": "evt_000000000000002a",
    "eventType": "order.paid",
    "status": "delivered",
    "nextAttemptAt": None,
    "createdAt": "2026-04-10T08:15:23.042Z",
    "finishedAt": "2026-04-10T08:15:23.101Z",
    "attempts": [
        {
            "number": 1,
            "beganAt": "2026-04-10T08:15:23.050Z",
            "durationMs": 48,
            "statusCode": 204,
            "error": None,
        }
    ],
}
DELIVERY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(DELIVERY_EXAMPLE),
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "delivery"},
        "webhookId": {"type": "string"},
        "eventId": {"type": "string", "description": "What the header webhook-id says."},
        "eventType": {"type": "string", "enum": [*sorted(EVENT_TYPES), PING]},
        "status": {"type": "string", "enum": list(STATUSES)},
        "nextAttemptAt": _MOMENT,
        "createdAt": {"type": "string", "format": "date-time"},
        "finishedAt": _MOMENT,
        "attempts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(DELIVERY_EXAMPLE["attempts"][0]),
                "properties": {
                    "number": {"type": "integer"},
                    "beganAt": {"type": "string", "format": "date-time"},
                    "durationMs": {"type": "integer"},
                    "statusCode": {"type": ["integer", "null"]},
                    "error": _TEXT_OR_NULL | {"description": "A stable code; null: delivered."},
                },
            },
        },
    },
}
_PENDING = DELIVERY_EXAMPLE | {
    "status": "pending",
    "nextAttemptAt": "2026-04-10T08:20:23.042Z",
    "finishedAt": None,
}
_REPLAY_EXAMPLE: dict[str, Any] = {"object": "replay", "webhookId": _ID, "events": 12}
_REPLAY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(_REPLAY_EXAMPLE),
    "properties": {
        "object": {"const": "replay"},
        "webhookId": {"type": "string"},
        "events": {"type": "integer", "description": "How many are sent."},
    },
}

Responses = dict[int | str, Any]
_REUSED: Responses = {409: KEY_REUSED}
_OFF: Responses = off_response("webhooks", "This oracle sends no webhooks")
_FAILURES: Responses = {500: INTERNAL, 503: UNAVAILABLE}
_NOT_FOUND: Responses = {
    404: problem_response("There is no such webhook", 404, "webhook_not_found", "id")
}
_DELETED_SINCE: Responses = {
    404: problem_response("What this key made was deleted since", 404, "webhook_not_found", "id")
}
_NO_DELIVERY: Responses = {
    404: problem_response("There is no such delivery", 404, "delivery_not_found", "deliveryId")
}
_DISABLED: Responses = {409: problem_response("It is disabled", 409, "webhook_disabled", "id")}
_FULL: Responses = {
    409: problem_response("The account has ten webhooks", 409, "webhook_limit", None)
}
_WRONG_URL: Responses = {
    400: problem_response("It leads nowhere we go", 400, "webhook_url_invalid", "url")
}
_WRONG_RANGE: Responses = {
    400: problem_response("The range is malformed", 400, "replay_range_invalid", "from")
}


def _page(schema: dict[str, Any], example: Any, description: str) -> dict[str, Any]:
    return json_response(
        description,
        page_schema(schema, following="What `before` takes."),
        {"data": [example], "hasMore": False, "next": None},
    )


def _route(summary: str, status: int, answer: dict[str, Any], *more: Responses) -> dict[str, Any]:
    responses: Responses = {status: answer, **_FAILURES}
    for one in more:
        responses |= one
    return {"summary": summary, "response_class": Response, "responses": responses}


def _makes(what: str) -> dict[str, Any]:
    return {"openapi_extra": {"parameters": [idempotency_key_header(f"one for {what}")]}}


_ONE = json_response("The webhook", WEBHOOK_SCHEMA, WEBHOOK_EXAMPLE)
_MADE = json_response("The webhook and its secret", _MADE_SCHEMA, _MADE_EXAMPLE)
_SENT = json_response("The delivery, to be attempted at once", DELIVERY_SCHEMA, _PENDING)

CREATE = _route("Make a webhook", 201, _MADE, _FULL, _WRONG_URL, _DELETED_SINCE, _OFF) | _makes(
    "a webhook"
)
LIST = _route(
    "List webhooks",
    200,
    _page(WEBHOOK_SCHEMA, WEBHOOK_EXAMPLE, "The newest first"),
    malformed("limit_invalid", "limit"),
    _OFF,
)
READ = _route("Read a webhook", 200, _ONE, _NOT_FOUND, _OFF)
CHANGE = _route("Change a webhook", 200, _ONE, _NOT_FOUND, _WRONG_URL, _OFF)
DELETE = _route("Delete a webhook", 204, {"description": "It is gone"}, _NOT_FOUND)
ROTATE = _route(
    "Rotate a webhook's secret",
    200,
    _MADE,
    _NOT_FOUND,
    malformed("parameter_invalid", "overlapHours"),
    _REUSED,
    _OFF,
) | _makes("a secret")
TEST = _route(
    "Send a ping",
    202,
    json_response(
        "The delivery, to be attempted at once",
        DELIVERY_SCHEMA,
        _PENDING
        | {
            "id": "whd_01jrekt2p0c9zq8v5n3w7x4y6e",
            "eventId": "evt_01jrekt2p0c9zq8v5n3w7x4y6e",
            "eventType": PING,
            "attempts": [],
        },
    ),
    _NOT_FOUND,
    _DISABLED,
    malformed("idempotency_key_invalid", "Idempotency-Key"),
) | _makes("a ping")
REPLAY = _route(
    "Send a range of events again",
    202,
    json_response("How many are sent", _REPLAY_SCHEMA, _REPLAY_EXAMPLE),
    _NOT_FOUND,
    _DISABLED,
    _WRONG_RANGE,
)
DELIVERIES = _route(
    "List deliveries",
    200,
    _page(DELIVERY_SCHEMA, DELIVERY_EXAMPLE, "The newest first"),
    _NOT_FOUND,
    malformed("status_unknown", "status"),
)
REDELIVER = _route("Send a delivery again", 202, _SENT, _NO_DELIVERY, _DISABLED)
