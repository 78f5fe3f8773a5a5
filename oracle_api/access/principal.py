"""Who is asking: an account with its roles, or nobody in particular."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What an account is for; made by the office."""

    STUDENT = "student"
    TILL = "till"
    FINANCE = "finance"
    ADMIN = "admin"
    PARTNER = "partner"
    AUDITOR = "auditor"


class Scope(StrEnum):
    """What an API key may do, within what its account's roles may."""

    PAYMENTS_VALIDATE = "payments:validate"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    WEBHOOKS_MANAGE = "webhooks:manage"


@dataclass(frozen=True, slots=True)
class Principal:
    """The account behind a request, as its credentials prove it.

    `account_id` is empty for an anonymous caller. `scopes` narrow an API key further than its
    account's roles; empty means all that the roles may. `expires_at` is in Unix seconds: what
    lasts longer than a request ends then.
    """

    account_id: str = ""
    roles: frozenset[Role] = field(default=frozenset())
    store_id: str | None = None
    scopes: frozenset[str] = field(default=frozenset())
    is_test: bool = False
    client_address: str = ""
    expires_at: float | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether no credentials came with the request."""
        return not self.account_id

    def has(self, *roles: Role) -> bool:
        """Whether the account has one of these roles."""
        return not self.roles.isdisjoint(roles)

    def at(self, client_address: str) -> "Principal":
        """The same account, asking from there."""
        return Principal(
            self.account_id,
            self.roles,
            self.store_id,
            self.scopes,
            self.is_test,
            client_address,
            self.expires_at,
        )


ANONYMOUS: Final = Principal()
OPEN: Final = Principal(account_id="acc_open", roles=frozenset(Role))
"""Everybody, when access is open: for development on the loopback interface only."""
