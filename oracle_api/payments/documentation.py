"""How validation looks in OpenAPI."""

from typing import Any

import orjson

from ledger.order import Finality, Status
from ledger.verdict import Code
from oracle_api.attestations.documentation import ATTESTATION_SCHEMA
from oracle_api.documentation import PROBLEM_SCHEMA, REQUEST_ID_EXAMPLE, json_response
from oracle_api.problems import problem

_HASH = "0x" + "5c" * 32
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_US_004: dict[str, Any] = {
    "valid": {"type": "boolean"},
    "confirmedAt": _TEXT_OR_NULL | {"format": "date-time"},
    "error": _TEXT_OR_NULL,
}

ANSWER_EXAMPLE: dict[str, Any] = {
    "valid": True,
    "confirmedAt": "2026-04-10T08:15:23Z",
    "error": None,
    "verdict": {
        "orderId": "ord_01jrekt2p0c9zq8v5n3w7x4y6b",
        "status": "paid",
        "code": "valid",
        "finality": "included",
        "confirmations": 1,
        "blockNumber": 4211,
        "blockHash": "0x" + "a1" * 32,
        "asOf": {
            "blockNumber": 4211,
            "blockHash": "0x" + "a1" * 32,
            "timestamp": "2026-04-10T08:15:23Z",
            "blocksBehind": 0,
            "finalizedBlockNumber": 4205,
        },
        "nodesAgreeing": 1,
        "nodesAsked": 1,
        "verification": "full",
        "retryable": False,
    },
}

_ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["valid", "confirmedAt", "error", "verdict"],
    "properties": _US_004
    | {
        "attestation": ATTESTATION_SCHEMA,
        "verdict": {
            "type": "object",
            "required": list(ANSWER_EXAMPLE["verdict"]),
            "properties": {
                "orderId": _TEXT_OR_NULL,
                "status": _TEXT_OR_NULL | {"enum": [*map(str, Status), None]},
                "code": {"type": "string", "enum": [*map(str, Code)]},
                "finality": _TEXT_OR_NULL | {"enum": [*map(str, Finality), None]},
                "confirmations": {"type": "integer"},
                "blockNumber": {"type": ["integer", "null"]},
                "blockHash": _TEXT_OR_NULL,
                "asOf": {"type": "object"},
                "nodesAgreeing": {"type": ["integer", "null"]},
                "nodesAsked": {"type": ["integer", "null"]},
                "verification": {"type": "string", "enum": ["full", "quorum"]},
                "retryable": {"type": "boolean"},
            },
        },
    },
}

_REQUEST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["txHash", "expectedAmount"],
    "additionalProperties": False,
    "if": {"required": ["consumer"], "properties": {"consumer": {"type": "string"}}},
    "then": {"required": ["attest"], "properties": {"attest": {"const": True}}},
    "allOf": [
        {
            "if": {"required": ["currency"], "properties": {"currency": {"const": "MYR"}}},
            "then": {"properties": {"expectedAmount": {"pattern": r"^[0-9]+(\.[0-9]{1,2})?$"}}},
        }
    ],
    "properties": {
        "txHash": {"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"},
        "expectedAmount": {
            "type": "string",
            "description": "A plain decimal in a string: no sign, no exponent.",
            "pattern": "^(0|[1-9][0-9]{0,58})(\\.[0-9]{1,18})?$",
        },
        "currency": {"type": "string", "enum": ["BILL", "MYR"], "default": "BILL"},
        "orderId": _TEXT_OR_NULL | {"pattern": "^ord_[0-9a-z]{26}$"},
        "attest": {
            "type": "boolean",
            "default": False,
            "description": "Sign the verdict if it is a yes.",
        },
        "consumer": _TEXT_OR_NULL
        | {
            "pattern": "^0x[0-9a-fA-F]{40}$",
            "format": "eip55-address",
            "description": "With `attest`: the only contract that may consume the attestation.",
        },
    },
}


def _problem(status: int, description: str, code: str, param: str | None) -> dict[str, Any]:
    schema = PROBLEM_SCHEMA | {
        "required": [*_US_004, *PROBLEM_SCHEMA["required"]],
        "properties": _US_004 | PROBLEM_SCHEMA["properties"],
    }
    reply = problem(
        status,
        code,
        description,
        request_id=REQUEST_ID_EXAMPLE,
        param=param,
        more={"valid": False, "confirmedAt": None, "error": code},
    )
    example = orjson.loads(reply.body)
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    }


VALIDATE: dict[str, Any] = {
    "tags": ["payments"],
    "summary": "Is this transaction a valid payment?",
    "operationId": "validate_payment",
    "parameters": [
        {
            "name": "Prefer",
            "in": "header",
            "description": "`wait=N`: hold up to N seconds while the answer may become valid.",
            "schema": {"type": "string"},
            "example": "wait=5",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _REQUEST_SCHEMA,
                "example": {"txHash": _HASH, "expectedAmount": "0.25"},
            }
        },
    },
    "responses": {
        "200": json_response("Carried out; `valid` answers", _ANSWER_SCHEMA, ANSWER_EXAMPLE),
        "400": _problem(400, "The request is malformed", "tx_hash_invalid", "txHash"),
        "413": _problem(413, "The body is too large", "body_too_large", None),
        "500": _problem(500, "An error of ours", "internal_error", None),
        "501": _problem(501, "This oracle signs no verdicts", "attestations_off", "attest"),
        "503": _problem(503, "The oracle is not sure enough to answer", "ledger_behind", None),
    },
}
