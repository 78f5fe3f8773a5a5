"""How the audit log's route looks in OpenAPI."""

from typing import Any

from fastapi import Response

from oracle_api.documentation import INTERNAL, UNAVAILABLE, json_response, malformed, page_schema

_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

AUDIT_ENTRY_EXAMPLE: dict[str, Any] = {
    "object": "audit_entry",
    "seq": 1,
    "at": "2026-04-10T08:15:23.042117Z",
    "actor": "acc_01jrekt2p0c9zq8v5n3w7x4y6c",
    "action": "flag.cleared",
    "subject": "flg_01jrekt2p0c9zq8v5n3w7x4y6b",
    "details": {"subject": "203.0.113.7", "reason": "failed_validations", "note": "a test"},
    "requestId": "req_3f9d2c6e8a1b4d5f7c90",
    "previousHash": "00" * 32,
    "hash": "5c" * 32,
}

AUDIT_ENTRY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(AUDIT_ENTRY_EXAMPLE),
    "properties": {
        "object": {"const": "audit_entry"},
        "seq": {"type": "integer", "minimum": 1, "description": "From 1 on, without gaps."},
        "at": {"type": "string", "format": "date-time"},
        "actor": {"type": "string", "description": "An account's id, `office` or `system`."},
        "action": {"type": "string"},
        "subject": {"type": "string"},
        "details": {
            "type": "object",
            "description": "What else was done, under names that go with the action.",
            "additionalProperties": True,
        },
        "requestId": {"type": ["string", "null"]},
        "previousHash": _HASH,
        "hash": _HASH,
    },
}

LIST_AUDIT_LOG: dict[str, Any] = {
    "summary": "Read the audit log",
    "description": "docs/auditor.md says how an entry's hash is made.",
    "response_class": Response,
    "responses": {
        200: json_response(
            "The newest entries first",
            page_schema(AUDIT_ENTRY_SCHEMA, following="What `before` takes."),
            {"data": [AUDIT_ENTRY_EXAMPLE], "hasMore": False, "next": None},
        ),
        **malformed("before_invalid", "before"),
        500: INTERNAL,
        503: UNAVAILABLE,
    },
}
