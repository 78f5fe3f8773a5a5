"""How the routes about accounts look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from oracle_api.access.documentation import denial_response
from oracle_api.access.principal import Role, Scope
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    idempotency_key_header,
    json_response,
    malformed,
    page_schema,
)

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_MAYBE_TEXT: Final[dict[str, Any]] = {"type": ["string", "null"]}
_MOMENT: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_MAYBE_MOMENT: Final[dict[str, Any]] = {"type": ["string", "null"], "format": "date-time"}
_YES_NO: Final[dict[str, Any]] = {"type": "boolean"}
_ROLES: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "string", "enum": [str(role) for role in Role]},
}
_SCOPES: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "string", "enum": [str(scope) for scope in Scope]},
}

ME_EXAMPLE: Final[dict[str, Any]] = {
    "id": "acc_01jrekt2p0c9zq8v5n3w7x4y6b",
    "object": "account",
    "name": "till-3",
    "roles": ["till"],
    "storeId": "cafeteria",
}
ACCOUNT_EXAMPLE: Final[dict[str, Any]] = ME_EXAMPLE | {
    "hasPassword": True,
    "isEnabled": True,
    "createdAt": "2026-04-10T08:15:20.113Z",
    "disabledAt": None,
}
KEY_EXAMPLE: Final[dict[str, Any]] = {
    "id": "key_01jrekt2p0c9zq8v5n3w7x4y6d",
    "object": "api_key",
    "accountId": "acc_01jrekt2p0c9zq8v5n3w7x4y6b",
    "name": "production server",
    "key": "bck_test_…x9Qk",
    "scopes": ["orders:write", "payments:validate"],
    "isTest": True,
    "createdAt": "2026-04-10T08:15:20.113Z",
    "expiresAt": "2027-04-10T08:15:20.113Z",
    "revokedAt": None,
    "lastUsedAt": None,
}


def _object(example: dict[str, Any], **properties: Any) -> dict[str, Any]:
    plain = {name: _TEXT for name in example if name not in properties}
    return {"type": "object", "required": list(example), "properties": plain | properties}


_ME_SCHEMA: Final = _object(ME_EXAMPLE, name=_MAYBE_TEXT, roles=_ROLES, storeId=_MAYBE_TEXT)
_ACCOUNT_SCHEMA: Final = _object(
    ACCOUNT_EXAMPLE,
    roles=_ROLES,
    storeId=_MAYBE_TEXT,
    hasPassword=_YES_NO,
    isEnabled=_YES_NO,
    createdAt=_MOMENT,
    disabledAt=_MAYBE_MOMENT,
)
_KEY_TYPES: Final[dict[str, Any]] = {
    "scopes": _SCOPES,
    "isTest": _YES_NO,
    "createdAt": _MOMENT,
    "expiresAt": _MOMENT,
    "revokedAt": _MAYBE_MOMENT,
    "lastUsedAt": _MAYBE_MOMENT,
}
_KEY_SCHEMA: Final = _object(KEY_EXAMPLE, **_KEY_TYPES)
_NEW_KEY_EXAMPLE: Final = KEY_EXAMPLE | {
    "secret": "bck_test_" + "A1b2" * 10 + "x9Qk",
    "secretWithheld": False,
}
_NEW_KEY_TYPES: Final[dict[str, Any]] = {
    "secret": _MAYBE_TEXT | {"description": "The key itself; null in a repeated answer."},
    "secretWithheld": _YES_NO | {"description": "Nobody can show it again: revoke, and make one."},
}
_NEW_KEY_SCHEMA: Final = _object(_NEW_KEY_EXAMPLE, **_KEY_TYPES, **_NEW_KEY_TYPES)

_SHARED: Final = {500: INTERNAL, 503: UNAVAILABLE}
_LAST_ADMIN: Final = {409: denial_response("Nobody else could administer", 409, "last_admin")}
_NO_ACCOUNT: Final = {404: denial_response("There is no such account", 404, "account_not_found")}


def _route(summary: str, responses: dict[int, Any]) -> dict[str, Any]:
    return {"summary": summary, "response_class": Response, "responses": responses | _SHARED}


def _makes(what: str) -> dict[str, Any]:
    return {
        "status_code": 201,
        "openapi_extra": {"parameters": [idempotency_key_header(f"one for {what}")]},
    }


def _one_account(summary: str, *more: dict[int, Any], **changes: Any) -> dict[str, Any]:
    answer = json_response("The account", _ACCOUNT_SCHEMA, ACCOUNT_EXAMPLE | changes)
    responses = {200: answer} | _NO_ACCOUNT
    for one in more:
        responses |= one
    return _route(summary, responses)


ME: Final = _route(
    "Show whose credentials these are",
    {200: json_response("The account", _ME_SCHEMA, ME_EXAMPLE)},
)
CREATE: Final = _route(
    "Make an account",
    {
        201: json_response("The account", _ACCOUNT_SCHEMA, ACCOUNT_EXAMPLE),
        409: denial_response("The name is taken", 409, "account_name_taken", "name"),
    }
    | malformed("parameter_invalid", "name"),
) | _makes("an account")
LIST: Final = _route(
    "List accounts, newest first",
    {
        200: json_response(
            "A page of accounts",
            page_schema(_ACCOUNT_SCHEMA),
            {"data": [ACCOUNT_EXAMPLE], "hasMore": False, "next": None},
        )
    }
    | malformed("limit_invalid", "limit"),
)
READ: Final = _one_account("Show an account")
DISABLE: Final = _one_account(
    "Disable an account: its sessions end, its API keys rest",
    _LAST_ADMIN,
    isEnabled=False,
    disabledAt="2026-05-01T08:00:00.000Z",
)
ENABLE: Final = _one_account("Enable an account again")
ROLES: Final = _one_account(
    "Give an account other roles",
    _LAST_ADMIN,
    {400: denial_response("A till belongs to a store", 400, "store_needed", "storeId")},
)
PASSWORD: Final = _one_account(
    "Give an account another password: its sessions end",
    {400: denial_response("It is too short or too long", 400, "password_unfit", "password")},
)
CREATE_KEY: Final = _route(
    "Make an API key; `secret` is shown this once",
    {
        201: json_response("The API key", _NEW_KEY_SCHEMA, _NEW_KEY_EXAMPLE),
        409: denial_response("The account has too many", 409, "too_many_api_keys"),
    }
    | malformed("parameter_invalid", "scopes")
    | _NO_ACCOUNT,
) | _makes("an API key")
LIST_KEYS: Final = _route(
    "List an account's API keys, newest first",
    {
        200: json_response(
            "API keys",
            page_schema(_KEY_SCHEMA),
            {"data": [KEY_EXAMPLE], "hasMore": False, "next": None},
        )
    }
    | malformed("limit_invalid", "limit")
    | _NO_ACCOUNT,
)
REVOKE_KEY: Final = _route(
    "Revoke an API key",
    {
        200: json_response(
            "The API key", _KEY_SCHEMA, KEY_EXAMPLE | {"revokedAt": "2026-05-01T08:00:00.000Z"}
        )
    }
    | _NO_ACCOUNT,
)
