"""OpenAPI links: which routes an answer leads to, and where it says what they are asked with."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_PATH_PARAMETER: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Giver:
    """An answer that names something: each path parameter with the place of its value in it.

    A place is a JSON pointer into the answer's body; what is in the giver's own path is handed on.
    """

    status: int
    places: Mapping[str, str]
    bodies: Mapping[str, Any] = field(default_factory=dict)
    """Routes that take it in their body, by operation id, with the body's expressions."""


_ID: Final = "/id"
_FIRST: Final = "/data/0/id"

GIVERS: Final[dict[tuple[str, str], Giver]] = {
    ("POST", "/api/v1/orders"): Giver(201, {"order_id": _ID}),
    ("GET", "/api/v1/orders"): Giver(200, {"order_id": _FIRST}),
    ("GET", "/api/v1/orders/{order_id}"): Giver(
        200,
        {"tx_hash": "/payments/0/txHash"},
        {
            "validate_payment": {
                "txHash": "$response.body#/payments/0/txHash",
                "expectedAmount": "$response.body#/amountDue",
            }
        },
    ),
    ("POST", "/api/v1/payments/validate"): Giver(200, {"order_id": "/verdict/orderId"}),
    ("POST", "/api/v1/payments/submit"): Giver(202, {"submission_id": "/relayId"}),
    ("POST", "/api/v1/orders/{order_id}/refunds"): Giver(201, {"refund_id": _ID}),
    ("GET", "/api/v1/orders/{order_id}/refunds"): Giver(200, {"refund_id": _FIRST}),
    ("POST", "/api/v1/loyalty/balance"): Giver(200, {"coupon_id": "/coupons/0/id"}),
    ("POST", "/api/v1/webhooks"): Giver(201, {"webhook_id": _ID}),
    ("GET", "/api/v1/webhooks"): Giver(200, {"webhook_id": _FIRST}),
    ("GET", "/api/v1/webhooks/{webhook_id}/deliveries"): Giver(200, {"delivery_id": _FIRST}),
    ("GET", "/api/v1/flags"): Giver(200, {"flag_id": _FIRST}),
    ("GET", "/api/v1/batches"): Giver(200, {"batch_id": _FIRST}),
    ("POST", "/api/v1/standing-orders"): Giver(201, {"standing_order_id": _ID}),
    ("GET", "/api/v1/standing-orders"): Giver(200, {"standing_order_id": _FIRST}),
    ("POST", "/api/v1/accounts"): Giver(201, {"account_id": _ID}),
    ("GET", "/api/v1/accounts"): Giver(200, {"account_id": _FIRST}),
    ("POST", "/api/v1/accounts/{account_id}/keys"): Giver(201, {"key_id": _ID}),
    ("GET", "/api/v1/accounts/{account_id}/keys"): Giver(200, {"key_id": _FIRST}),
    ("POST", "/api/v1/wallets"): Giver(201, {"wallet_id": _ID}),
    ("GET", "/api/v1/wallets"): Giver(200, {"wallet_id": _FIRST}),
}
"""By the route that answers."""


def document_links(document: dict[str, Any]) -> None:
    """Let each of these answers say which routes it leads to: all that take what it names."""
    paths = document["paths"]
    for (method, path), giver in GIVERS.items():
        response = paths[path][method.lower()]["responses"][str(giver.status)]
        response["links"] = _links(paths, path, giver)


def _links(paths: dict[str, Any], path: str, giver: Giver) -> dict[str, Any]:
    handed_on = {name: f"$request.path.{name}" for name in _PATH_PARAMETER.findall(path)}
    known = handed_on | {name: f"$response.body#{at}" for name, at in giver.places.items()}
    links: dict[str, Any] = {}
    for target, item in paths.items():
        wanted = _PATH_PARAMETER.findall(target)
        if giver.places.keys().isdisjoint(wanted) or not known.keys() >= set(wanted):
            continue
        for operation in item.values():
            name = operation["operationId"]
            links[name] = {"operationId": name, "parameters": {one: known[one] for one in wanted}}
    for name, body in giver.bodies.items():
        links[name] = {"operationId": name, "requestBody": body}
    return links
