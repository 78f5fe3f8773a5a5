"""How signing in looks in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from oracle_api.access.access_tokens import LIFETIME_SECONDS
from oracle_api.access.documentation import denial_response
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    malformed,
)

_TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjkyYjQiLCJ0eXAiOiJhdCtqd3QifQ.e30.c2ln"  # noqa: S105 - an example

GRANT_EXAMPLE: Final[dict[str, Any]] = {
    "access_token": _TOKEN,
    "token_type": "Bearer",
    "expires_in": LIFETIME_SECONDS,
    "refresh_token": "wV0nJQXkq8b1m4yN6s2d9f3h5j7l0p2r4t6v8x0zACE",
}
_GRANT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in"],
    "properties": {
        "access_token": {"type": "string", "description": "A JWT, signed with ES256."},
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer", "description": "Seconds."},
        "refresh_token": {
            "type": "string",
            "description": "To be used once; in a cookie instead with `session: cookie`.",
        },
    },
}
_JWKS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["keys"],
    "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
}
_JWKS_EXAMPLE: Final[dict[str, Any]] = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "CSnEhWkzH4WNF4vWDwXmBLfDYzi_9XWzhTm45qny2Qo",
            "y": "qWE1FAXXRB4a_d3CuQHbhExjCKGTFY-Yh7ynJC0MUl4",
            "kid": "ba55196c39e131f0",
            "alg": "ES256",
            "use": "sig",
        }
    ]
}

GRANT: Final[dict[str, Any]] = {
    "summary": "Sign in, or renew",
    "response_class": Response,
    "responses": {
        200: json_response("Tokens", _GRANT_SCHEMA, GRANT_EXAMPLE),
        **malformed("parameter_invalid", "grant_type"),
        401: denial_response("Name or password is wrong", 401, "credentials_wrong"),
        429: denial_response("Too many sign-ins failed", 429, "sign_in_too_often"),
        500: INTERNAL,
        503: UNAVAILABLE,
    },
}
REVOKE: Final[dict[str, Any]] = {
    "summary": "Sign out",
    "status_code": 204,
    "response_class": Response,
    "responses": {
        204: {"description": "The session is over, if there was one"},
        **malformed("parameter_invalid", "refresh_token"),
        500: INTERNAL,
        503: UNAVAILABLE,
    },
}
JWKS: Final[dict[str, Any]] = {
    "summary": "The public keys of access tokens (RFC 7517)",
    "response_class": Response,
    "responses": {200: json_response("A JSON Web Key Set", _JWKS_SCHEMA, _JWKS_EXAMPLE)},
}
