"""What OpenAPI says about who may use a route, out of the table that guards it."""

from http import HTTPStatus
from typing import Any, Final

from oracle_api.access.principal import Scope
from oracle_api.access.route_roles import (
    ANYONE,
    BLIND_ROUTES,
    COOKIE_ROUTES,
    ROUTE_ROLES,
    ROUTE_SCOPES,
    Route,
)
from oracle_api.documentation import PROBLEM_SCHEMA, problem_response

SCHEMES: Final[dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of `POST /api/v1/tokens`, or an API key (`bck_...`) with "
        f"the scope that the route names, of: {', '.join(Scope)}.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "billcoin_access",
        "description": "Set by a sign-in with `session: cookie`, for what a page loads by itself.",
    },
}

_CONTACT_EXAMPLE: Final = {"name": "Student Office", "contact": "+60 3 1234 5678"}
_CONTACT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The office that makes accounts.",
    "required": ["name", "contact"],
    "properties": {"name": {"type": "string"}, "contact": {"type": ["string", "null"]}},
}


def denial_response(
    description: str, status: int, code: str, param: str | None = None
) -> dict[str, Any]:
    """The documentation of a refusal that names the office, with an example."""
    response = problem_response(description, status, code, param)
    (content,) = response["content"].values()
    # Others have a status with codes that are about something else.
    is_always = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}
    content["schema"] = PROBLEM_SCHEMA | {
        "required": [*PROBLEM_SCHEMA["required"], *(["contact"] if is_always else [])],
        "properties": PROBLEM_SCHEMA["properties"] | {"contact": _CONTACT_SCHEMA},
    }
    content["example"]["contact"] = _CONTACT_EXAMPLE
    return response


UNAUTHENTICATED: Final = denial_response(
    "The credentials are missing or not good", 401, "token_invalid"
)
FORBIDDEN: Final = denial_response(
    "The account or the API key is not for this", 403, "role_missing"
)
OUT_OF_SCOPE: Final = denial_response("The API key is not for this", 403, "scope_missing")


def document_access(document: dict[str, Any]) -> None:
    """Write into each operation who may use it, and how it refuses others."""
    document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _document(operation, (method.upper(), _as_declared(path)))


def _as_declared(path: str) -> str:
    """FastAPI's document leaves a parameter's convertor out."""
    return path if ("GET", path) in ROUTE_ROLES else path.replace("{path}", "{path:path}")


def _document(operation: dict[str, Any], route: Route) -> None:
    roles, scope = ROUTE_ROLES[route], ROUTE_SCOPES.get(route)
    if route in BLIND_ROUTES:
        operation["security"] = []
        return
    scopes = [str(scope)] if scope else []
    operation["security"] = [{"bearer": scopes}]
    if route in COOKIE_ROUTES:
        operation["security"].append({"cookie": []})
    if roles is ANYONE:
        operation["security"].append({})
    else:
        operation["x-roles"] = sorted(roles)
