"""How the routes about batches look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from ledger.order import Finality
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    page_schema,
    problem_response,
)
from oracle_api.proofs.documentation import PROOF_ANSWER

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_HASH: Final = "0x" + "5c" * 32
_DAIRY: Final = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
_ID: Final = f"bat_{_DAIRY[2:].lower()}_{'07' * 32}"

BATCH_EXAMPLE: Final[dict[str, Any]] = {
    "id": _ID,
    "object": "batch",
    "dairy": _DAIRY,
    "batchId": "0x" + "07" * 32,
    "litres": "400",
    "year": 2026,
    "sensors": ["0xBcd4042DE499D14e55001CcbB24a551F3b954096"],
    "pasteurisation": {
        "temperatureCelsius": "72.5",
        "holdingSeconds": "16",
        "startedAt": "2026-04-10T07:00:00Z",
        "endedAt": "2026-04-10T07:30:00Z",
    },
    "subsidy": {
        "earnedUnits": "40000000000000000000",
        "paidUnits": "40000000000000000000",
        "owedUnits": "0",
    },
    "recall": None,
    "acceptedAt": "2026-04-10T07:31:12Z",
    "finality": "finalized",
    "blockNumber": 4180,
    "blockHash": "0x" + "a1" * 32,
    "txHash": _HASH,
    "proof": f"/api/v1/batches/{_ID}/proof",
}
ATTRIBUTION_EXAMPLE: Final[dict[str, Any]] = {
    "orderId": "ord_01jrekt2p0c9zq8v5n3w7x4y6b",
    "object": "attribution",
    "rule": "pro_rata",
    "litres": "0.25",
    "asOf": {"blockNumber": 4211, "blockHash": "0x" + "a1" * 32},
    "supply": "1000",
    "unattestedLitres": "0.05",
    "dairies": [{"dairy": _DAIRY, "litres": "0.2"}],
    "batches": [
        {
            "id": _ID,
            "dairy": _DAIRY,
            "remainingLitres": "800",
            "fraction": "0.800000000",
            "litres": "0.2",
        }
    ],
    "otherBatches": {"count": 0, "litres": "0"},
}


def _object(example: dict[str, Any], **changes: Any) -> dict[str, Any]:
    kinds: dict[type, dict[str, Any]] = {
        str: _TEXT,
        int: {"type": "integer"},
        dict: {"type": "object"},
        list: {"type": "array"},
        type(None): {"type": ["object", "null"]},
    }
    properties = {name: kinds[type(value)] for name, value in example.items()}
    return {"type": "object", "required": list(example), "properties": properties | changes}


BATCH_SCHEMA: Final = _object(
    BATCH_EXAMPLE, finality=_TEXT | {"enum": [str(one) for one in Finality]}
)
PAGE_SCHEMA: Final[dict[str, Any]] = page_schema(BATCH_SCHEMA)
_NOT_FOUND: Final = problem_response("There is no such batch", 404, "batch_not_found", "id")


def _route(summary: str, responses: dict[int, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "response_class": Response,
        "responses": responses | {500: INTERNAL, 503: UNAVAILABLE},
    }


LIST: Final = _route(
    "Attested batches",
    {
        200: json_response(
            "A page of batches, newest first",
            PAGE_SCHEMA,
            {"data": [BATCH_EXAMPLE], "hasMore": True, "next": "pos_4180_3"},
        ),
        400: problem_response("A parameter is malformed", 400, "before_invalid", "before"),
    },
)
READ: Final = _route(
    "One batch", {200: json_response("The batch", BATCH_SCHEMA, BATCH_EXAMPLE), 404: _NOT_FOUND}
)
PROOF: Final = _route(
    "A batch's proof",
    {
        200: PROOF_ANSWER
        | {"description": "A payment's proof, of the transaction that minted the batch's BILL"},
        404: _NOT_FOUND,
    },
)
OF_ORDER: Final = _route(
    "The batches behind an order",
    {
        200: json_response(
            "The order's litres, spread over the batches by the rule",
            _object(ATTRIBUTION_EXAMPLE),
            ATTRIBUTION_EXAMPLE,
        ),
        404: problem_response(
            "There is no such order, or too much happened before it to be attributed",
            404,
            "order_not_found",
            "id",
        ),
        409: problem_response("Nothing was sold yet", 409, "order_not_paid", "id"),
    },
)
