"""How attestations look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from ledger.attestation import FIELDS, PRIMARY_TYPE
from oracle_api.documentation import INTERNAL, json_response

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_VERIFIER = "0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0"
_SIGNER = "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955"

_DOMAIN_EXAMPLE = {
    "name": "BillCoin Attestation",
    "version": "1",
    "chainId": 31337,
    "verifyingContract": _VERIFIER,
}
_MESSAGE_EXAMPLE = {
    "orderKey": "0x" + "b2" * 32,
    "txHash": "0x" + "5c" * 32,
    "blockNumber": "4211",
    "blockHash": "0x" + "a1" * 32,
    "token": "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    "treasury": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
    "amountDue": "250000000000000000",
    "amountReceived": "250000000000000000",
    "finality": "0",
    "consumer": "0x" + "00" * 20,
    "issuedAt": "1775808900",
    "expiresAt": "1775809200",
}
ATTESTATION_EXAMPLE: Final[dict[str, Any]] = {
    "domain": _DOMAIN_EXAMPLE,
    "primaryType": PRIMARY_TYPE,
    "message": _MESSAGE_EXAMPLE,
    "digest": "0x" + "d1" * 32,
    "signature": "0x" + "1f" * 64 + "1b",
    "signer": _SIGNER,
    "expiresAt": "2026-04-10T08:20:00Z",
}

_DOMAIN_SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "required": list(_DOMAIN_EXAMPLE),
    "properties": {name: dict(_TEXT) for name in _DOMAIN_EXAMPLE}
    | {"chainId": {"type": "integer"}},
}
ATTESTATION_SCHEMA: Final[dict[str, Any]] = {
    "type": ["object", "null"],
    "description": "Only when asked for with `attest`; null with a no. See docs/partner.md.",
    "examples": [ATTESTATION_EXAMPLE],
    "required": list(ATTESTATION_EXAMPLE),
    "properties": {name: dict(_TEXT) for name in ATTESTATION_EXAMPLE}
    | {
        "domain": _DOMAIN_SCHEMA | {"type": "object"},
        "message": {
            "type": "object",
            "description": "Numbers as decimal strings in base units and Unix seconds.",
            "required": [name for name, _ in FIELDS],
            "properties": {name: dict(_TEXT) for name, _ in FIELDS},
        },
        "expiresAt": _TEXT | {"format": "date-time"},
    },
}

_SIGNER_EXAMPLE = {
    "address": _SIGNER,
    "status": "signing",
    "createdAt": "2026-03-01T02:00:00.000Z",
    "revokedAt": None,
}
_SIGNERS_EXAMPLE: dict[str, Any] = {
    "domain": _DOMAIN_EXAMPLE,
    "primaryType": PRIMARY_TYPE,
    "types": {PRIMARY_TYPE: [{"name": name, "type": type_} for name, type_ in FIELDS]},
    "signers": [_SIGNER_EXAMPLE],
    "lifetimeSeconds": 300,
}
_SIGNERS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": list(_SIGNERS_EXAMPLE),
    "properties": {
        "domain": _DOMAIN_SCHEMA | {"description": "Null where nothing is signed."},
        "primaryType": _TEXT,
        "types": {"type": "object"},
        "signers": {
            "type": "array",
            "items": {
                "type": "object",
                "required": list(_SIGNER_EXAMPLE),
                "properties": {
                    "address": _TEXT,
                    "status": _TEXT | {"enum": ["signing", "accepted", "revoked"]},
                    "createdAt": _TEXT_OR_NULL,
                    "revokedAt": _TEXT_OR_NULL,
                },
            },
        },
        "lifetimeSeconds": {"type": "integer", "description": "How long a signature holds."},
    },
}

SIGNERS: Final[dict[str, Any]] = {
    "summary": "Who signs attestations",
    "response_class": Response,
    "responses": {
        200: json_response("The signers and what they sign", _SIGNERS_SCHEMA, _SIGNERS_EXAMPLE),
        500: INTERNAL,
    },
}
