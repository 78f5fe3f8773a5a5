"""How the routes about the milk market look in OpenAPI."""

from typing import Any, Final

from fastapi import Response

from ledger.market import PurchaseStatus
from oracle_api.documentation import (
    INTERNAL,
    UNAVAILABLE,
    json_response,
    page_schema,
    problem_response,
)
from oracle_api.market.resource import OfferStatus

_SUPPLIER: Final = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
OFFER_EXAMPLE: Final[dict[str, Any]] = {
    "id": "1",
    "object": "offer",
    "status": "open",
    "supplier": _SUPPLIER,
    "kind": "feed",
    "price": "12",
    "quantity": "100",
    "left": "98",
    "descriptionHash": "0x" + "07" * 32,
    "deadline": "2026-05-01T00:00:00Z",
    "deliverySeconds": 604_800,
    "finality": "finalized",
    "txHash": "0x" + "5c" * 32,
}
PURCHASE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "1",
    "object": "purchase",
    "status": "redeemed",
    "isOverdue": False,
    "offerId": "1",
    "dairy": "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "supplier": _SUPPLIER,
    "quantity": "2",
    "bill": "24",
    "redeemed": "24",
    "refunded": "0",
    "settlementUnits": "72000000000000000000",
    "deadline": "2026-04-17T08:00:00Z",
    "boughtAt": "2026-04-10T08:00:00Z",
    "finality": "finalized",
    "txHash": "0x" + "5d" * 32,
}
_KINDS: Final[dict[type, dict[str, Any]]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
}


def _list(summary: str, example: dict[str, Any], statuses: list[str]) -> dict[str, Any]:
    properties = {name: _KINDS[type(value)] for name, value in example.items()}
    item = {
        "type": "object",
        "required": list(example),
        "properties": properties | {"status": {"type": "string", "enum": statuses}},
    }
    schema = page_schema(item)
    page = {"data": [example], "hasMore": True, "next": "pos_4180_3"}
    return {
        "summary": summary,
        "response_class": Response,
        "responses": {
            200: json_response("A page, newest first", schema, page),
            400: problem_response("A parameter is malformed", 400, "before_invalid", "before"),
            500: INTERNAL,
            503: UNAVAILABLE,
        },
    }


OFFERS: Final = _list("The market's offers", OFFER_EXAMPLE, [str(one) for one in OfferStatus])
PURCHASES: Final = _list(
    "The market's purchases", PURCHASE_EXAMPLE, [str(one) for one in PurchaseStatus]
)
