"""What every route's documentation shares."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from oracle_api.problems import problem

REQUEST_ID_EXAMPLE: Final = "req_3f9d2c6e8a1b4d5f7c90"

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "param", "retryable", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For a person; may change."},
        "code": {"type": "string", "description": "For a program; stable."},
        "param": {"type": ["string", "null"], "description": "The field or header at fault."},
        "retryable": {"type": "boolean"},
        "requestId": {"type": "string"},
    },
}


def problem_response(
    description: str,
    status: int,
    code: str,
    param: str | None,
    *,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The documentation of a problem document, with an example written as the real one is.

    `more` is what it says besides; other codes of the same status need not.
    """
    reply = problem(
        status, code, description, request_id=REQUEST_ID_EXAMPLE, param=param, more=more
    )
    schema = PROBLEM_SCHEMA
    if more is not None:
        properties = PROBLEM_SCHEMA["properties"] | {name: {} for name in more}
        schema = PROBLEM_SCHEMA | {"properties": properties}
    content = {"schema": schema, "example": orjson.loads(reply.body)}
    return {"description": description, "content": {"application/problem+json": content}}


def malformed(code: str, param: str) -> dict[Any, Any]:
    """The documentation of what an oracle answers to a request of the wrong form."""
    return {400: problem_response("The request is malformed", 400, code, param)}


def off_response(capability: str, description: str, *, param: str | None = None) -> dict[Any, Any]:
    """The documentation of what an oracle answers to which its operator has not given this."""
    return {501: problem_response(description, 501, f"{capability}_off", param)}


def json_response(description: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """The documentation of a JSON answer, with an example."""
    return {
        "description": description,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def page_schema(item: dict[str, Any], *, following: str | None = None) -> dict[str, Any]:
    """The schema of what `pages.page_document` writes; `following` describes its cursor."""
    cursor: dict[str, Any] = {"type": ["string", "null"]}
    if following is not None:
        cursor["description"] = following
    return {
        "type": "object",
        "required": ["data", "hasMore", "next"],
        "properties": {
            "data": {"type": "array", "items": item},
            "hasMore": {"type": "boolean"},
            "next": cursor,
        },
    }


def svg_response(description: str) -> dict[str, Any]:
    """The documentation of an image, with an example."""
    example = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M4 4h1v1h-1z"/></svg>'
    )
    content = {"schema": {"type": "string", "pattern": "^<"}, "example": example}
    return {"description": description, "content": {"image/svg+xml": content}}


def idempotency_key_header(description: str, *, required: bool = False) -> dict[str, Any]:
    """The parameter of a route that makes something, and a value such as a client might choose."""
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "description": f"1 to 255 printable ASCII characters of your own, {description}.",
        "schema": {"type": "string"},
        "example": "till-3-000417",
    }


KEY_REUSED = problem_response(
    "The key came with another request", 409, "idempotency_key_reused", "Idempotency-Key"
)
UNAVAILABLE = problem_response("The oracle cannot answer now", 503, "database_unavailable", None)
INTERNAL = problem_response("An error of ours", 500, "internal_error", None)
