"""How the routes about wallets look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from oracle_api.access.documentation import denial_response
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    malformed,
    off_response,
    page_schema,
)

WALLET_EXAMPLE: Final[dict[str, Any]] = {
    "id": "wal_01jrekt2p0c9zq8v5n3w7x4y6b",
    "object": "wallet",
    "address": "0x5aAe…eAed",
    "linkedAt": "2026-04-10T08:15:20.113Z",
}
_WALLET_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(WALLET_EXAMPLE),
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "wallet"},
        "address": {"type": "string", "description": "Its ends only."},
        "linkedAt": {"type": "string", "format": "date-time"},
    },
}
CHALLENGE_EXAMPLE: Final[dict[str, Any]] = {
    "nonce": "3f9d2c6e8a1b4d5f7c903f9d2c6e8a1b",
    "message": "pay.example wants you to sign in with your Ethereum account:\n"
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n\n"
    "Link this wallet to the BillCoin account ada. Nothing is paid.\n\n"
    "URI: https://pay.example\nVersion: 1\nChain ID: 31337\n"
    "Nonce: 3f9d2c6e8a1b4d5f7c903f9d2c6e8a1b\n"
    "Issued At: 2026-04-10T08:15:20.113Z\nExpiration Time: 2026-04-10T08:20:20.113Z",
    "expiresAt": "2026-04-10T08:20:20.113Z",
}
_CHALLENGE_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(CHALLENGE_EXAMPLE),
    "properties": {
        "nonce": {"type": "string"},
        "message": {"type": "string", "description": "EIP-4361, to be signed with personal_sign."},
        "expiresAt": {"type": "string", "format": "date-time"},
    },
}
_PAGE_SCHEMA: Final[dict[str, Any]] = page_schema(_WALLET_SCHEMA)
_OFF: Final = off_response("wallets", "This oracle links no wallets")
_SHARED: Final = {500: INTERNAL, 503: UNAVAILABLE}


def _route(summary: str, status: int, responses: dict[int, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "status_code": status,
        "response_class": Response,
        "responses": responses | _SHARED,
    }


CHALLENGE: Final = _route(
    "Ask for a message that links a wallet",
    201,
    {201: json_response("The challenge", _CHALLENGE_SCHEMA, CHALLENGE_EXAMPLE)}
    | malformed("address_invalid", "address")
    | _OFF,
)
LINK: Final = _route(
    "Link a wallet",
    201,
    {
        201: json_response("The wallet", _WALLET_SCHEMA, WALLET_EXAMPLE),
        400: denial_response(
            "No challenge of the account was answered", 400, "signature_invalid", "signature"
        ),
        409: denial_response("It is linked elsewhere", 409, "wallet_linked_elsewhere"),
    }
    | _OFF,
)
LIST: Final = _route(
    "List one's own wallets",
    200,
    {
        200: json_response(
            "Wallets", _PAGE_SCHEMA, {"data": [WALLET_EXAMPLE], "hasMore": False, "next": None}
        )
    }
    | _OFF,
)
UNLINK: Final = _route(
    "Unlink a wallet",
    204,
    {
        204: {"description": "It is forgotten"},
        404: denial_response("There is no such wallet", 404, "wallet_not_found", "id"),
    },
)
