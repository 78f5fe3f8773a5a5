"""Every route and who may use it: two tables, and nothing is reachable outside them."""

from collections.abc import Mapping
from typing import Final

from oracle_api.access.principal import Role, Scope

ANYONE: Final = None
"""Also callers without credentials, within their own budget."""

STAFF: Final = frozenset({Role.TILL, Role.FINANCE, Role.ADMIN})
BOOKKEEPERS: Final = frozenset({Role.FINANCE, Role.ADMIN})
READERS_OF_BOOKS: Final = BOOKKEEPERS | {Role.AUDITOR}
BUYERS: Final = frozenset({Role.STUDENT, Role.PARTNER})
LISTENERS: Final = frozenset({Role.PARTNER, Role.ADMIN})
OFFICE: Final = frozenset({Role.ADMIN})
AUDITORS: Final = frozenset({Role.AUDITOR, Role.ADMIN})
EVERY_ACCOUNT: Final = frozenset(Role)

Route = tuple[str, str]
"""A method and a path as the API documents it; GET stands for HEAD too."""

ROUTE_ROLES: Final[Mapping[Route, frozenset[Role] | None]] = {
    ("GET", "/healthz"): ANYONE,
    ("GET", "/readyz"): ANYONE,
    ("GET", "/metrics"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/till"): ANYONE,
    ("GET", "/till/"): ANYONE,
    ("GET", "/till/assets/{path:path}"): ANYONE,
    ("GET", "/.well-known/jwks.json"): ANYONE,
    ("POST", "/api/v1/tokens"): ANYONE,
    ("POST", "/api/v1/tokens/revoke"): ANYONE,
    ("POST", "/api/v1/accounts"): OFFICE,
    ("GET", "/api/v1/accounts"): OFFICE,
    ("GET", "/api/v1/accounts/me"): EVERY_ACCOUNT,
    ("GET", "/api/v1/accounts/{account_id}"): OFFICE,
    ("POST", "/api/v1/accounts/{account_id}/disable"): OFFICE,
    ("POST", "/api/v1/accounts/{account_id}/enable"): OFFICE,
    ("POST", "/api/v1/accounts/{account_id}/roles"): OFFICE,
    ("POST", "/api/v1/accounts/{account_id}/password"): OFFICE,
    ("POST", "/api/v1/accounts/{account_id}/keys"): OFFICE,
    ("GET", "/api/v1/accounts/{account_id}/keys"): OFFICE,
    ("POST", "/api/v1/accounts/{account_id}/keys/{key_id}/revoke"): OFFICE,
    ("POST", "/api/v1/wallets/challenge"): BUYERS,
    ("POST", "/api/v1/wallets"): BUYERS,
    ("GET", "/api/v1/wallets"): BUYERS,
    ("DELETE", "/api/v1/wallets/{wallet_id}"): BUYERS,
    ("GET", "/api/v1/catalogue"): ANYONE,
    ("GET", "/.well-known/billcoin-attestation.json"): ANYONE,
    ("POST", "/api/v1/payments/validate"): ANYONE,
    ("GET", "/api/v1/payments/{tx_hash}/proof"): ANYONE,
    # What the chain shows to everybody.
    ("GET", "/api/v1/batches"): ANYONE,
    ("GET", "/api/v1/batches/{batch_id}"): ANYONE,
    ("GET", "/api/v1/batches/{batch_id}/proof"): ANYONE,
    ("GET", "/api/v1/market/offers"): ANYONE,
    ("GET", "/api/v1/market/purchases"): ANYONE,
    ("GET", "/api/v1/prices/milk"): ANYONE,
    ("GET", "/api/v1/prices/milk/forecast"): ANYONE,
    # The signature is the authority, and an id that nobody can guess the key to what became of it.
    ("POST", "/api/v1/payments/submit"): ANYONE,
    ("GET", "/api/v1/payments/submissions/{submission_id}"): ANYONE,
    ("GET", "/api/v1/x402/supported"): ANYONE,
    ("POST", "/api/v1/x402/verify"): ANYONE,
    ("POST", "/api/v1/x402/settle"): ANYONE,
    ("POST", "/api/v1/orders"): STAFF | BUYERS,
    ("GET", "/api/v1/orders"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/stream"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/ws"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/{order_id}"): STAFF | BUYERS,
    ("POST", "/api/v1/orders/{order_id}/cancel"): STAFF | BUYERS,
    ("GET", "/api/v1/orders/{order_id}/qr.svg"): STAFF | BUYERS,
    ("POST", "/api/v1/loyalty/balance"): STAFF,
    ("GET", "/api/v1/loyalty/coupons/{coupon_id}/qr.svg"): STAFF | {Role.STUDENT},
    ("POST", "/api/v1/loyalty/coupons/{coupon_id}/redeem"): frozenset({Role.TILL, Role.ADMIN}),
    ("POST", "/api/v1/orders/{order_id}/refunds"): BOOKKEEPERS,
    ("GET", "/api/v1/orders/{order_id}/refunds"): READERS_OF_BOOKS,
    ("GET", "/api/v1/orders/{order_id}/refunds/{refund_id}"): READERS_OF_BOOKS,
    ("POST", "/api/v1/orders/{order_id}/refunds/{refund_id}/transaction"): BOOKKEEPERS,
    ("POST", "/api/v1/orders/{order_id}/refunds/{refund_id}/cancel"): BOOKKEEPERS,
    ("GET", "/api/v1/refunds"): READERS_OF_BOOKS,
    ("GET", "/api/v1/orders/{order_id}/batches"): STAFF | BUYERS,
    ("POST", "/api/v1/webhooks"): LISTENERS,
    ("GET", "/api/v1/webhooks"): LISTENERS,
    ("GET", "/api/v1/webhooks/{webhook_id}"): LISTENERS,
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): LISTENERS,
    ("DELETE", "/api/v1/webhooks/{webhook_id}"): LISTENERS,
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate-secret"): LISTENERS,
    ("POST", "/api/v1/webhooks/{webhook_id}/test"): LISTENERS,
    ("POST", "/api/v1/webhooks/{webhook_id}/replay"): LISTENERS,
    ("GET", "/api/v1/webhooks/{webhook_id}/deliveries"): LISTENERS,
    ("POST", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): LISTENERS,
    ("POST", "/api/v1/standing-orders"): BUYERS,
    ("GET", "/api/v1/standing-orders"): BUYERS | frozenset({Role.FINANCE, Role.ADMIN}),
    ("GET", "/api/v1/standing-orders/{standing_order_id}"): BUYERS
    | frozenset({Role.FINANCE, Role.ADMIN}),
    ("GET", "/api/v1/flags"): OFFICE,
    ("GET", "/api/v1/flags/{flag_id}"): OFFICE,
    ("POST", "/api/v1/flags/{flag_id}/acknowledge"): OFFICE,
    ("POST", "/api/v1/flags/{flag_id}/clear"): OFFICE,
    ("GET", "/api/v1/audit-log"): AUDITORS,
}

ROUTE_SCOPES: Final[Mapping[Route, Scope]] = {
    ("POST", "/api/v1/payments/validate"): Scope.PAYMENTS_VALIDATE,
    ("GET", "/api/v1/payments/{tx_hash}/proof"): Scope.PAYMENTS_VALIDATE,
    ("POST", "/api/v1/orders"): Scope.ORDERS_WRITE,
    ("POST", "/api/v1/standing-orders"): Scope.ORDERS_WRITE,
    ("GET", "/api/v1/standing-orders"): Scope.ORDERS_READ,
    ("GET", "/api/v1/standing-orders/{standing_order_id}"): Scope.ORDERS_READ,
    ("GET", "/api/v1/orders"): Scope.ORDERS_READ,
    ("GET", "/api/v1/orders/stream"): Scope.ORDERS_READ,
    ("GET", "/api/v1/orders/ws"): Scope.ORDERS_READ,
    ("GET", "/api/v1/orders/{order_id}"): Scope.ORDERS_READ,
    ("POST", "/api/v1/orders/{order_id}/cancel"): Scope.ORDERS_WRITE,
    ("GET", "/api/v1/orders/{order_id}/qr.svg"): Scope.ORDERS_READ,
    ("GET", "/api/v1/orders/{order_id}/batches"): Scope.ORDERS_READ,
    ("POST", "/api/v1/webhooks"): Scope.WEBHOOKS_MANAGE,
    ("GET", "/api/v1/webhooks"): Scope.WEBHOOKS_MANAGE,
    ("GET", "/api/v1/webhooks/{webhook_id}"): Scope.WEBHOOKS_MANAGE,
    ("PATCH", "/api/v1/webhooks/{webhook_id}"): Scope.WEBHOOKS_MANAGE,
    ("DELETE", "/api/v1/webhooks/{webhook_id}"): Scope.WEBHOOKS_MANAGE,
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate-secret"): Scope.WEBHOOKS_MANAGE,
    ("POST", "/api/v1/webhooks/{webhook_id}/test"): Scope.WEBHOOKS_MANAGE,
    ("POST", "/api/v1/webhooks/{webhook_id}/replay"): Scope.WEBHOOKS_MANAGE,
    ("GET", "/api/v1/webhooks/{webhook_id}/deliveries"): Scope.WEBHOOKS_MANAGE,
    (
        "POST",
        "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
    ): Scope.WEBHOOKS_MANAGE,
}
"""What an API key needs; a route that is for some roles and has no row here takes no API key."""

BLIND_ROUTES: Final[frozenset[Route]] = frozenset(
    {
        *(route for route in ROUTE_ROLES if not route[1].startswith("/api/")),
        ("POST", "/api/v1/tokens"),
        ("POST", "/api/v1/tokens/revoke"),
    }
)
"""Credentials are not even looked at here: a stale token must not keep anybody from signing in,
nor a probe from its answer. So nothing here may be for some roles only."""

COOKIE_ROUTES: Final[frozenset[Route]] = frozenset(
    {
        ("GET", "/api/v1/orders/stream"),
        ("GET", "/api/v1/orders/ws"),
        ("GET", "/api/v1/orders/{order_id}/qr.svg"),
        ("GET", "/api/v1/loyalty/coupons/{coupon_id}/qr.svg"),
    }
)
"""What a page loads without being able to add a header; only these, only reading, take a cookie."""
