"""How the facilitator's routes look in OpenAPI; docs/partner.md explains them."""

from typing import Any, Final

from fastapi import Response

from contracts import billcoin
from oracle_api.documentation import INTERNAL, json_response, problem_response

_ORDER_ADDRESS: Final = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
_PAYER: Final = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_TEXT: dict[str, Any] = {"type": "string"}
_FLAG: dict[str, Any] = {"type": "boolean"}

REQUIREMENTS_EXAMPLE: Final[dict[str, Any]] = {
    "scheme": "exact",
    "network": "eip155:31337",
    "amount": "250000000000000000",
    "asset": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "payTo": _ORDER_ADDRESS,
    "maxTimeoutSeconds": 60,
    "extra": {"name": billcoin.DOMAIN_NAME, "version": billcoin.DOMAIN_VERSION},
}
MESSAGE_EXAMPLE: Final[dict[str, Any]] = {
    "x402Version": 2,
    "paymentPayload": {
        "x402Version": 2,
        "accepted": REQUIREMENTS_EXAMPLE,
        "payload": {
            "signature": "0x" + "3c" * 64 + "1b",
            "authorization": {
                "from": _PAYER,
                "to": _ORDER_ADDRESS,
                "value": "250000000000000000",
                "validAfter": "1775808300",
                "validBefore": "1775808960",
                "nonce": "0x" + "7e" * 32,
            },
        },
    },
    "paymentRequirements": REQUIREMENTS_EXAMPLE,
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["x402Version", "paymentPayload", "paymentRequirements"],
                    "properties": {
                        "x402Version": {"type": "integer"},
                        "paymentPayload": {"type": "object"},
                        "paymentRequirements": {"type": "object"},
                    },
                },
                "example": MESSAGE_EXAMPLE,
            }
        },
    }
}


def _schema(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _route(summary: str, responses: dict[int, Any], *, has_body: bool) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | {500: INTERNAL},
        "openapi_extra": _BODY if has_body else None,
    }


_NOT_SETTLED: Final = {"success": False, "transaction": "", "network": "eip155:31337"}


def _refusals(malformed: dict[str, Any], failed: dict[str, Any]) -> dict[int, Any]:
    """Problem documents that have the specification's fields as well."""
    return {
        400: problem_response(
            "This is no message of x402", 400, "invalid_payload", "paymentPayload", more=malformed
        ),
        503: problem_response(
            "The node or the ledger is away",
            503,
            "relay_unavailable",
            None,
            more=failed | {"payer": _PAYER},
        ),
    }


SUPPORTED: Final = _route(
    "What this facilitator settles",
    {
        200: json_response(
            "The kinds of payment; none where the oracle pays no gas",
            _schema(
                ["kinds", "extensions", "signers"],
                kinds={"type": "array", "items": {"type": "object"}},
                extensions={"type": "array", "items": _TEXT},
                signers={"type": "object"},
            ),
            {
                "kinds": [
                    {
                        "x402Version": 2,
                        "scheme": "exact",
                        "network": "eip155:31337",
                        "extra": REQUIREMENTS_EXAMPLE["extra"],
                    }
                ],
                "extensions": [],
                "signers": {"eip155:*": ["0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"]},
            },
        )
    },
    has_body=False,
)
VERIFY: Final = _route(
    "Would this payment be settled?",
    {
        200: json_response(
            "Checked; `isValid` answers",
            _schema(
                ["isValid"],
                isValid=_FLAG,
                invalidReason=_TEXT,
                invalidMessage=_TEXT,
                payer=_TEXT,
            ),
            {"isValid": True, "payer": _PAYER},
        )
    }
    | _refusals(
        {"isValid": False, "invalidReason": "invalid_payload"},
        {"isValid": False, "invalidReason": "unexpected_verify_error"},
    ),
    has_body=True,
)
SETTLE: Final = _route(
    "Broadcast a payment and wait until its order is paid",
    {
        200: json_response(
            "Carried out; `success` answers. The same payment may be settled again",
            _schema(
                ["success", "transaction", "network"],
                success=_FLAG,
                errorReason=_TEXT,
                errorMessage=_TEXT,
                payer=_TEXT,
                transaction=_TEXT,
                network=_TEXT,
                amount=_TEXT,
            ),
            {
                "success": True,
                "amount": "250000000000000000",
                "transaction": "0x" + "5c" * 32,
                "network": "eip155:31337",
                "payer": _PAYER,
            },
        )
    }
    | _refusals(
        _NOT_SETTLED | {"errorReason": "invalid_payload"},
        _NOT_SETTLED | {"errorReason": "unexpected_settle_error"},
    ),
    has_body=True,
)
