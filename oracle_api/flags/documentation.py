"""How the routes about flags look in OpenAPI."""

from typing import Any

from fastapi import Response

from ledger.store.flags import STATUSES
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    malformed,
    page_schema,
    problem_response,
)

_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}

FLAG_EXAMPLE: dict[str, Any] = {
    "id": "flg_01jrekt2p0c9zq8v5n3w7x4y6b",
    "object": "flag",
    "subject": "acc_01jrekt2p0c9zq8v5n3w7x4y6c",
    "reason": "failed_validations",
    "status": "standing",
    "failures": 4,
    "raisedAt": "2026-04-10T08:15:23.042Z",
    "lastSeenAt": "2026-04-10T08:15:23.042Z",
    "acknowledgedAt": None,
    "acknowledgedBy": None,
    "clearedAt": None,
    "clearedBy": None,
    "note": None,
}

_ACKNOWLEDGED: dict[str, Any] = FLAG_EXAMPLE | {
    "status": "acknowledged",
    "acknowledgedAt": "2026-04-10T08:20:00.000Z",
    "acknowledgedBy": "acc_01jrekt2p0c9zq8v5n3w7x4y6d",
}
_CLEARED: dict[str, Any] = _ACKNOWLEDGED | {
    "status": "cleared",
    "clearedAt": "2026-04-10T09:05:12.300Z",
    "clearedBy": "acc_01jrekt2p0c9zq8v5n3w7x4y6d",
    "note": "the till was restarted too often",
}

FLAG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(FLAG_EXAMPLE),
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "flag"},
        "subject": {"type": "string", "description": "An account's id, or an address without one."},
        "reason": {"type": "string"},
        "status": {"type": "string", "enum": list(STATUSES)},
        "failures": {"type": "integer", "description": "Beyond the limit, since it was raised."},
        "raisedAt": _MOMENT,
        "lastSeenAt": _MOMENT,
        "acknowledgedAt": _MOMENT,
        "acknowledgedBy": {"type": ["string", "null"]},
        "clearedAt": _MOMENT,
        "clearedBy": {"type": ["string", "null"]},
        "note": {"type": ["string", "null"]},
    },
}

_PAGE_SCHEMA: dict[str, Any] = page_schema(FLAG_SCHEMA, following="What `before` takes.")
_FAILURES: dict[int | str, dict[str, Any]] = {500: INTERNAL, 503: UNAVAILABLE}
_NOT_FOUND: dict[int | str, Any] = {
    404: problem_response("There is no such flag", 404, "flag_not_found", "id")
}
_CONFLICT: dict[int | str, Any] = {
    409: problem_response("It is not standing any more", 409, "flag_not_standing", "id")
}


def _documented(
    summary: str, answer: dict[str, Any], *more: dict[int | str, Any]
) -> dict[str, Any]:
    responses: dict[int | str, dict[str, Any]] = {200: answer, **_FAILURES}
    for one in more:
        responses |= one
    return {"summary": summary, "response_class": Response, "responses": responses}


LIST_FLAGS = _documented(
    "List flags",
    json_response(
        "The newest first",
        _PAGE_SCHEMA,
        {"data": [FLAG_EXAMPLE], "hasMore": False, "next": None},
    ),
    malformed("status_unknown", "status"),
)
READ_FLAG = _documented(
    "Read a flag", json_response("The flag", FLAG_SCHEMA, FLAG_EXAMPLE), _NOT_FOUND
)
ACKNOWLEDGE_FLAG = _documented(
    "Say that somebody is looking",
    json_response("The flag", FLAG_SCHEMA, _ACKNOWLEDGED),
    _NOT_FOUND,
    _CONFLICT,
)
CLEAR_FLAG = _documented(
    "Close a flag",
    json_response("The flag", FLAG_SCHEMA, _CLEARED),
    malformed("parameter_invalid", "note"),
    _NOT_FOUND,
    _CONFLICT,
)
