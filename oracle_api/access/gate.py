"""Who may come in: the one place where credentials are read and routes are guarded."""

from collections.abc import Sequence
from typing import Final, Protocol

from ledger.errors import RejectedError
from oracle_api.access.office import Office
from oracle_api.access.principal import ANONYMOUS, OPEN, Principal
from oracle_api.access.route_map import RouteMap, Rule, served_as
from oracle_api.access.settings import AccessMode

ACCESS_COOKIE: Final = "billcoin_access"
"""Holds an access token for what a page loads without headers: its event stream, a QR code."""

Headers = Sequence[tuple[bytes, bytes]]


class MethodNotAllowedError(RejectedError):
    """The path is there, but not with this method."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__("method_not_allowed", f"only {', '.join(allowed)} here")
        self.allowed = allowed


class Credentials(Protocol):
    """Whoever knows what account is behind a credential."""

    async def principal_of(self, credential: bytes) -> Principal:
        """The account behind an access token or an API key, or DeniedError."""


class Gate:
    """Admits a request or refuses it; whatever is in no table is refused as if it were not."""

    def __init__(
        self, mode: AccessMode, credentials: Credentials, office: Office, routes: RouteMap
    ) -> None:
        self._is_open = mode == "open"
        self._credentials = credentials
        self._office = office
        self._routes = routes

    def find(self, method: str, path: str) -> Rule:
        """The declared route of a request.

        Raises:
            RejectedError: `route_not_found`, or `method_not_allowed` with what is.
        """
        found = self._routes.find(path)
        rule = found.rules.get(served_as(method))
        if rule is not None:
            return rule
        if found.rules:
            raise MethodNotAllowedError(found.allowed)
        raise RejectedError("route_not_found", "there is no such route")

    async def admit(self, rule: Rule, headers: Headers, client_address: str) -> Principal:
        """Who asks, if the rule lets them.

        Raises:
            DeniedError: the credentials are missing, bad or not enough.
            UnavailableError: the credentials cannot be checked now.
        """
        if self._is_open:
            return OPEN
        if rule.is_blind or (credential := _credential(rule, headers)) is None:
            if rule.roles is not None:
                raise self._office.missing()
            return ANONYMOUS.at(client_address)
        principal = await self._credentials.principal_of(credential)
        self._authorize(rule, principal)
        return principal.at(client_address)

    def _authorize(self, rule: Rule, principal: Principal) -> None:
        if rule.roles is not None and principal.roles.isdisjoint(rule.roles):
            roles = ", ".join(sorted(rule.roles))
            raise self._office.forbidden("role_missing", f"this needs one of the roles {roles}")
        # An API key opens what it was made for, also where its account alone could go on.
        if not principal.scopes or rule.scope in principal.scopes:
            return
        if rule.scope is not None:
            message = f"this API key lacks the scope {rule.scope}"
            raise self._office.forbidden("scope_missing", message)
        if rule.roles is not None:
            raise self._office.forbidden("scope_missing", "this cannot be done with an API key")


def _credential(rule: Rule, headers: Headers) -> bytes | None:
    """What the request shows for itself: its Authorization or, where that may be, its cookie."""
    cookie: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, credential = value.partition(b" ")
            # Another scheme is as good as a wrong token: silence would look like being let in.
            return credential.strip() if scheme.lower() == b"bearer" else b""
        if name == b"cookie":
            cookie = value
    return read_cookie(cookie, ACCESS_COOKIE) if rule.takes_cookie and cookie else None


def read_cookie(header: bytes, name: str) -> bytes | None:
    """One cookie out of a Cookie header (RFC 6265, section 4.2.1)."""
    wanted = name.encode()
    for pair in header.split(b";"):
        found, _, value = pair.strip().partition(b"=")
        if found == wanted:
            return value
    return None
