"""Finds the declared route of a request; what is not declared is not there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.routing import compile_path

from oracle_api.access.principal import Role, Scope
from oracle_api.access.route_roles import (
    BLIND_ROUTES,
    COOKIE_ROUTES,
    ROUTE_ROLES,
    ROUTE_SCOPES,
    Route,
)


def served_as(method: str) -> str:
    """HEAD is served as GET is, and the server leaves the body out (RFC 9110, 9.3.2)."""
    return "GET" if method == "HEAD" else method


@dataclass(frozen=True, slots=True)
class Rule:
    """A declared route; `roles` None is anyone."""

    path: str
    roles: frozenset[Role] | None
    scope: Scope | None
    is_blind: bool
    takes_cookie: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What is declared under a path: a rule for each method, or none at all."""

    rules: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def allowed(self) -> list[str]:
        """The methods that are."""
        methods = list(self.rules)
        return sorted({*methods, "HEAD"} if "GET" in methods else methods)


class RouteMap:
    """The tables, ready for look-up: literal paths at once, then those with parameters.

    Parameters match as the router's do, since its own patterns are used.
    """

    def __init__(self, roles: Mapping[Route, frozenset[Role] | None] = ROUTE_ROLES) -> None:
        found: dict[str, dict[str, Rule]] = {}
        for (method, path), wanted in roles.items():
            route = (method, path)
            found.setdefault(path, {})[method] = Rule(
                path,
                wanted,
                ROUTE_SCOPES.get(route),
                is_blind=route in BLIND_ROUTES,
                takes_cookie=route in COOKIE_ROUTES,
            )
        self._literal = {path: Found(rules) for path, rules in found.items() if "{" not in path}
        self._patterns = [
            (compile_path(path)[0], Found(rules)) for path, rules in found.items() if "{" in path
        ]

    def find(self, path: str) -> Found:
        """What is declared under this path."""
        if (found := self._literal.get(path)) is not None:
            return found
        for pattern, found in self._patterns:
            if pattern.fullmatch(path):
                return found
        return Found()
