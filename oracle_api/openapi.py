"""The OpenAPI document: what FastAPI finds, completed by what it cannot know."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from oracle_api.attestations.documentation import SIGNERS
from oracle_api.attestations.endpoints import PATH as SIGNERS_PATH
from oracle_api.batches.documentation import LIST as BATCH_LIST
from oracle_api.batches.documentation import OF_ORDER
from oracle_api.batches.documentation import READ as BATCH_READ
from oracle_api.loyalty.documentation import BALANCE, COUPON_QR, USE_COUPON
from oracle_api.market import documentation as market
from oracle_api.orders.documentation import CANCEL, CREATE, LIST, QR, READ
from oracle_api.payments.documentation import VALIDATE
from oracle_api.payments.endpoints import PATH as VALIDATE_PATH
from oracle_api.stream.documentation import SOCKET, STREAM
from oracle_api.stream.endpoints import PATH as STREAM_PATH
from oracle_api.stream.socket import PATH as SOCKET_PATH
from oracle_api.webhooks.documentation import ROUTES as WEBHOOKS
from oracle_api.webhooks.endpoints import PATH as WEBHOOKS_PATH
from oracle_api.x402 import documentation as x402

_REFUNDS: Final = "/api/v1/orders/{order_id}/refunds"
_REFUND: Final = _REFUNDS + "/{refund_id}"

_ROUTES: Final = (
    ("/api/v1/batches", "get", BATCH_LIST),
    ("/api/v1/batches/{batch_id}", "get", BATCH_READ),
    ("/api/v1/orders/{order_id}/batches", "get", OF_ORDER),
    (SIGNERS_PATH, "get", SIGNERS),
    (relay.SUBMIT_PATH, "post", relay.SUBMIT),
    (relay.SHOW_PATH, "get", relay.SHOW),
    ("/api/v1/x402/supported", "get", x402.SUPPORTED),
    ("/api/v1/x402/verify", "post", x402.VERIFY),
    ("/api/v1/x402/settle", "post", x402.SETTLE),
    ("/api/v1/market/offers", "get", market.OFFERS),
    ("/api/v1/market/purchases", "get", market.PURCHASES),
    ("/api/v1/prices/milk", "get", HISTORY),
    ("/api/v1/prices/milk/forecast", "get", FORECAST),
    ("/api/v1/standing-orders", "post", standing_orders.CREATE),
    ("/api/v1/standing-orders", "get", standing_orders.LIST),
    ("/api/v1/standing-orders/{standing_order_id}", "get", standing_orders.READ),
    ("/api/v1/orders", "post", CREATE),
    ("/api/v1/orders", "get", LIST),
    ("/api/v1/orders/{order_id}", "get", READ),
    ("/api/v1/orders/{order_id}/cancel", "post", CANCEL),
    ("/api/v1/orders/{order_id}/qr.svg", "get", QR),
    ("/api/v1/loyalty/balance", "post", BALANCE),
    ("/api/v1/loyalty/coupons/{coupon_id}/qr.svg", "get", COUPON_QR),
    ("/api/v1/loyalty/coupons/{coupon_id}/redeem", "post", USE_COUPON),
    (_REFUNDS, "post", refunds.CREATE),
    (_REFUNDS, "get", refunds.LIST_OF_ORDER),
    (_REFUND, "get", refunds.READ),
    (_REFUND + "/transaction", "post", refunds.RECORD),
    (_REFUND + "/cancel", "post", refunds.CANCEL),
    ("/api/v1/refunds", "get", refunds.LIST),
    *((WEBHOOKS_PATH + path, method, route) for path, method, route in WEBHOOKS),
)


def complete_openapi(api: FastAPI) -> None:
    """Add the routes that the edge answers itself, and our examples as they really are.

    FastAPI drops every null of an example, and announces a 422 that we never send.
    """
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        paths = document["paths"]
        for route in _documented_routes(api.router.routes):
            responses = {str(status): answer for status, answer in route.responses.items()}
            for method in (route.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
                paths[route.path][method.lower()]["responses"] = responses
        for operation in (one for path in paths.values() for one in path.values()):
            operation["responses"].pop("422", None)
        paths[VALIDATE_PATH] = {"post": VALIDATE}
        paths[STREAM_PATH] = {"get": STREAM}
        paths[SOCKET_PATH] = {"get": SOCKET}
        schemas = document.get("components", {}).get("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return document

    api.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own guide extends it


def _documented_routes(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """The routes that say what they answer, also those of included routers."""
    for route in routes:
        if isinstance(route, APIRoute):
            if route.include_in_schema and route.responses:
                yield route
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from _documented_routes(included.routes)
