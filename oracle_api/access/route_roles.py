"""Every route and the roles that may use it: one table, and nothing is reachable outside it."""

from collections.abc import Mapping
from typing import Final

from oracle_api.access.principal import Role

ANYONE: Final = None
"""Also callers without credentials, within their own budget."""

STAFF: Final = frozenset({Role.TILL, Role.FINANCE, Role.ADMIN})
BUYERS: Final = frozenset({Role.STUDENT, Role.PARTNER})

ROUTE_ROLES: Final[Mapping[tuple[str, str], frozenset[Role] | None]] = {
    ("GET", "/healthz"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/metrics"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/api/v1/catalogue"): ANYONE,
    ("POST", "/api/v1/payments/validate"): ANYONE,
    ("GET", "/api/v1/payments/{tx_hash}/proof"): ANYONE,
    ("POST", "/api/v1/orders"): STAFF | BUYERS,
    ("GET", "/api/v1/orders"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/stream"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/{order_id}"): STAFF | BUYERS,
    ("POST", "/api/v1/orders/{order_id}/cancel"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/{order_id}/qr.svg"): STAFF | BUYERS,
}
