"""Which budget a request is spent from: a pure choice by caller and route."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from oracle_api.access.principal import OPEN, Principal, Role
from oracle_api.budgets.settings import BudgetSettings

WINDOW_SECONDS: Final = 60

PAYMENT_ATTEMPTS: Final = frozenset(
    {
        ("POST", "/api/v1/payments/validate"),
        ("POST", "/api/v1/payments/submit"),
        ("POST", "/api/v1/x402/verify"),
        ("POST", "/api/v1/x402/settle"),
    }
)
"""US-006: what counts as an attempt to pay."""

UNLIMITED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by probes, which must not be turned away; they cost nearly nothing."""

_STAFF: Final = frozenset({Role.FINANCE, Role.ADMIN, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` within any `window_seconds`.

    One that is refundable counts in windows that follow each other, since out of those something
    can be given back: twice the limit may fall together where two of them meet.
    """

    name: str
    limit: int
    window_seconds: int = WINDOW_SECONDS
    is_refundable: bool = False


class BudgetPolicy:
    """The budgets of one oracle's settings."""

    def __init__(self, settings: BudgetSettings) -> None:
        self._attempts: Mapping[Role, Budget] = {
            Role.STUDENT: Budget("attempts", settings.user_attempts_per_minute),
            Role.TILL: Budget("attempts", settings.till_attempts_per_minute),
            Role.PARTNER: Budget("attempts", settings.partner_attempts_per_minute),
            **{role: Budget("attempts", settings.till_attempts_per_minute) for role in _STAFF},
        }
        self._anonymous_attempts = Budget("attempts", settings.anonymous_attempts_per_minute)
        self._requests = Budget("requests", settings.account_requests_per_minute)
        self._anonymous_requests = Budget("requests", settings.anonymous_requests_per_minute)

    def budget_of(self, principal: Principal, method: str, path: str) -> Budget | None:
        """The budget that a request is spent from; None when it is spent from none.

        Of several roles the one with the most counts.
        """
        # Open access is for development: there is nobody to tell apart.
        if path in UNLIMITED or principal is OPEN:
            return None
        is_attempt = (method, path) in PAYMENT_ATTEMPTS
        if principal.is_anonymous:
            return self._anonymous_attempts if is_attempt else self._anonymous_requests
        if not is_attempt:
            return self._requests
        return max((self._attempts[role] for role in principal.roles), key=lambda one: one.limit)

    @property
    def of_denied(self) -> Budget:
        """What bad credentials are spent from, by address."""
        return self._anonymous_requests


def spender_of(principal: Principal) -> str:
    """Whose budget it is: the account's, or that of the address an anonymous caller comes from."""
    return principal.account_id or caller_network(principal.client_address)


@lru_cache(maxsize=4096)
def caller_network(address: str) -> str:
    """The address; of IPv6 the /64, of which one subscriber has all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
