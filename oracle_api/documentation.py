"""What every route's documentation shares."""

from typing import Any

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


def problem_response(description: str, status: int, code: str, param: str | None) -> dict[str, Any]:
    """The documentation of a problem document, with an example."""
    example = {
        "type": f"urn:billcoin:problem:{code}",
        "title": description,
        "status": status,
        "detail": description,
        "code": code,
        "param": param,
        "retryable": status >= 500,  # noqa: PLR2004 - where HTTP's server errors begin
        "requestId": "req_3f9d2c6e8a1b4d5f7c90",
    }
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA, "example": example}},
    }


def json_response(description: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """The documentation of a JSON answer, with an example."""
    return {
        "description": description,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


MALFORMED = problem_response("The request is malformed", 400, "parameter_invalid", "items.0.sku")
UNAVAILABLE = problem_response("The oracle cannot answer now", 503, "database_unavailable", None)
INTERNAL = problem_response("An error of ours", 500, "internal_error", None)
