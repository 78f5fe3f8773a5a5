"""The form of every id, cursor and filter in OpenAPI, by the name it has in its route."""

from typing import Any, Final

from ledger.order import Status
from ledger.refund import RefundStatus
from ledger.store.flags import STATUSES as FLAG_STATUSES
from oracle_api import versions
from oracle_api.forms import ADDRESS, IDEMPOTENCY_KEY, TX_HASH
from oracle_api.pages import DEFAULT_LIMIT, MAX_LIMIT
from oracle_api.prices.forecast import MAX_HORIZON_DAYS
from oracle_api.webhooks.requests import STATUSES as DELIVERY_STATUSES

_SORTABLE: Final = "[0-9a-z]{26}"
_ORDER: Final = rf"^ord_({_SORTABLE}|so_[0-9]{{1,39}}_[0-9]{{1,20}})$"
_DELIVERY: Final = rf"^whd_{_SORTABLE}(_[0-9a-f]{{16}})?$"
_STANDING_ORDER: Final = "^sto_[0-9a-f]{64}$"
_PLACE: Final = "^pos_[0-9]{1,18}_[0-9]{1,9}$"


def _text(pattern: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "examples": [example]}


def _id(prefix: str) -> dict[str, Any]:
    return _text(rf"^{prefix}_{_SORTABLE}$", f"{prefix}_01jrekt2p0c9zq8v5n3w7x4y6b")


_ORDER_ID: Final = _text(_ORDER, "ord_01jrekt2p0c9zq8v5n3w7x4y6b")
_DELIVERY_ID: Final = _text(_DELIVERY, "whd_01jrekt2p0c9zq8v5n3w7x4y6b_000000000000002a")
_STANDING_ORDER_ID: Final = _text(_STANDING_ORDER, "sto_" + "5c" * 32)
_PLACE_CURSOR: Final = _text(_PLACE, "pos_4180_3")

IN_PATH: Final[dict[str, dict[str, Any]]] = {
    "account_id": _id("acc"),
    "key_id": _id("key"),
    "wallet_id": _id("wal"),
    "order_id": _ORDER_ID,
    "refund_id": _id("ref"),
    "coupon_id": _id("cpn"),
    "webhook_id": _id("whe"),
    "delivery_id": _DELIVERY_ID,
    "flag_id": _id("flg"),
    "submission_id": _id("rly"),
    "standing_order_id": _STANDING_ORDER_ID,
    "batch_id": _text("^bat_[0-9a-f]{40}_[0-9a-f]{64}$", f"bat_{'90' * 20}_{'07' * 32}"),
    "tx_hash": TX_HASH | {"examples": ["0x" + "5c" * 32]},
}

_LIMIT: Final[dict[str, Any]] = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_LIMIT,
    "default": DEFAULT_LIMIT,
}
IN_QUERY: Final[dict[str, dict[str, Any]]] = {
    "limit": _LIMIT,
    "dairy": ADDRESS,
    "supplier": ADDRESS,
    "days": {"type": "integer", "minimum": 1, "maximum": MAX_HORIZON_DAYS},
}
"""What means the same in every route."""

CURSORS: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/accounts": _id("acc"),
    "/api/v1/accounts/{account_id}/keys": _id("key"),
    "/api/v1/orders": _ORDER_ID,
    "/api/v1/refunds": _id("ref"),
    "/api/v1/webhooks": _id("whe"),
    "/api/v1/webhooks/{webhook_id}/deliveries": _DELIVERY_ID,
    "/api/v1/flags": _id("flg"),
    "/api/v1/audit-log": _text("^[0-9]{1,18}$", "41"),
    "/api/v1/batches": _PLACE_CURSOR,
    "/api/v1/market/offers": _PLACE_CURSOR,
    "/api/v1/market/purchases": _PLACE_CURSOR,
    "/api/v1/prices/milk": _text("^rnd_[0-9]{1,20}$", "rnd_42"),
    "/api/v1/standing-orders": _STANDING_ORDER_ID,
}
"""What `before` takes in each list; `next` of the page before says it."""


def _some_of(names: list[str]) -> dict[str, Any]:
    one = "|".join(names)
    return _text(f"^({one})(,({one}))*$", names[0])


STATUS_FILTERS: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/orders": _some_of([str(one) for one in Status]),
    "/api/v1/refunds": _some_of([str(one) for one in RefundStatus]),
    "/api/v1/flags": {"type": "string", "enum": list(FLAG_STATUSES)},
    "/api/v1/webhooks/{webhook_id}/deliveries": {"type": "string", "enum": [*DELIVERY_STATUSES]},
}

VERSION: Final[dict[str, Any]] = {
    "name": versions.NAME,
    "in": "header",
    "required": False,
    "description": "The version that the request was written for; docs/partner.md says what that "
    "promises. Without it the newest answers.",
    "schema": {"type": "string", "enum": versions.supported()},
    "example": versions.supported()[0],
}


def document_parameters(path: str, operation: dict[str, Any]) -> None:
    """Give an operation's parameters the form that the route really wants."""
    for parameter in operation.get("parameters", ()):
        form = _form(path, parameter["in"], parameter["name"])
        if form is not None:
            parameter["schema"] = form
    operation.setdefault("parameters", []).append(
        {"$ref": f"#/components/parameters/{versions.NAME}"}
    )


def _form(path: str, place: str, name: str) -> dict[str, Any] | None:
    if place == "path":
        return IN_PATH.get(name)
    if name == "Idempotency-Key":
        return IDEMPOTENCY_KEY
    if place != "query":
        return None
    if name == "before":
        return CURSORS[path]
    if name == "status":
        return STATUS_FILTERS[path]
    return IN_QUERY.get(name)
