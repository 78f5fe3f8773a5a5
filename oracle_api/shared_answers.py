"""What any route may answer, whatever it is about: written once, put into every operation."""

from collections.abc import Iterator
from typing import Any, Final

from oracle_api import versions
from oracle_api.access.documentation import FORBIDDEN, OUT_OF_SCOPE, UNAUTHENTICATED
from oracle_api.access.route_roles import (
    ANYONE,
    BLIND_ROUTES,
    EVERY_ACCOUNT,
    ROUTE_ROLES,
    ROUTE_SCOPES,
    Route,
)
from oracle_api.attestations.endpoints import PATH as SIGNERS_PATH
from oracle_api.documentation import (
    INTERNAL,
    PROBLEM_SCHEMA,
    UNAVAILABLE,
    problem_response,
)
from oracle_api.parameters import VERSION
from oracle_api.payments.endpoints import PATH as VALIDATE_PATH
from oracle_api.payments.endpoints import refusal
from oracle_api.tokens.endpoints import JWKS_PATH

_WITH_BODY: Final = frozenset({"post", "put", "patch", "delete"})
_RETRYABLE: Final = frozenset({"408", "429", "500", "503"})
_LIMITED: Final = ("RateLimit", "RateLimit-Policy")
_UNCOUNTED: Final = frozenset({"408", "413", "421", "431"})

_NEVER_AWAY: Final = frozenset({("GET", JWKS_PATH), ("GET", SIGNERS_PATH)})
"""They need neither credentials nor the database, so that nothing of theirs can be away."""

_BAD: Final = problem_response(
    "The request is malformed",
    400,
    "version_unknown",
    versions.NAME,
    more={"versions": versions.supported()},
)
_FOREIGN: Final = problem_response("A foreign page asks", 403, "origin_foreign", "Origin")
_SLOW: Final = problem_response("The body took too long", 408, "request_timeout", None)
_LARGE: Final = problem_response("The body is too large", 413, "body_too_large", None)
_UNREAD: Final = problem_response("It is no request of HTTP", 400, "request_malformed", None)
_LONG: Final = problem_response("The head is too large", 431, "head_too_large", None)
_STRANGE: Final = problem_response("That name is not ours", 421, "host_unknown", "Host")
_OFTEN: Final = problem_response("The caller's budget is spent", 429, "rate_limited", None)
_NO_ROUTE: Final = problem_response("There is no such route", 404, "route_not_found", None)
_NO_METHOD: Final = problem_response("Not with this method", 405, "method_not_allowed", None)

RESPONSES: Final[dict[str, dict[str, Any]]] = {
    "Malformed": _BAD,
    "Unauthenticated": UNAUTHENTICATED,
    "Forbidden": FORBIDDEN,
    "OutOfScope": OUT_OF_SCOPE,
    "ForeignPage": _FOREIGN,
    "RouteNotFound": _NO_ROUTE,
    "MethodNotAllowed": _NO_METHOD,
    "RequestTimeout": _SLOW,
    "BodyTooLarge": _LARGE,
    "HostUnknown": _STRANGE,
    "HeadTooLarge": _LONG,
    "RequestMalformed": _UNREAD,
    "RateLimited": _OFTEN,
    "InternalError": INTERNAL,
    "Unavailable": UNAVAILABLE,
}
"""By their name among the document's components."""

HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "Your own if you sent one; quote it when you report something.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
        "example": "req_3f9d2c6e8a1b4d5f7c90",
    },
    versions.NAME: {
        "description": "The version that answered.",
        "required": True,
        "schema": {"type": "string", "enum": versions.supported()},
        "example": versions.supported()[0],
    },
    "Retry-After": {
        "description": "After how many seconds the same can have another answer.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
    "RateLimit": {
        "description": "What is left of the caller's budget, and when it is whole again.",
        "schema": {"type": "string"},
        "example": '"requests";r=2999;t=60',
    },
    "RateLimit-Policy": {
        "description": "The caller's budget.",
        "schema": {"type": "string"},
        "example": '"requests";q=3000;w=60',
    },
}


def document_shared_answers(document: dict[str, Any]) -> None:
    """Complete every operation by the answers and headers that all have in common."""
    components = document.setdefault("components", {})
    for path, method, operation in operations(document):
        responses = operation["responses"]
        for status, response in _answers((method.upper(), path)).items():
            shared = _as_refusal(response) if path == VALIDATE_PATH else response
            responses.setdefault(status, shared)
        for status, response in responses.items():
            responses[status] = _shared_or_own(status, response)
        operation["responses"] = dict(sorted(responses.items()))
    components["responses"] = {
        name: _with_headers(response, _status_of(response)) for name, response in RESPONSES.items()
    }
    components["headers"] = HEADERS
    components["parameters"] = {versions.NAME: VERSION}
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    for holder in (document["paths"], components["responses"]):
        _name_problems(holder)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation with its path and its method, in lower case."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _answers(route: Route) -> dict[str, dict[str, Any]]:
    answers = {"400": _BAD, "421": _STRANGE, "429": _OFTEN, "431": _LONG, "500": INTERNAL}
    if route not in _NEVER_AWAY:
        answers["503"] = UNAVAILABLE
    if route[0].lower() in _WITH_BODY:
        answers |= {"403": _FOREIGN, "408": _SLOW, "413": _LARGE}
    if route not in BLIND_ROUTES:
        answers["401"] = UNAUTHENTICATED
    roles = ROUTE_ROLES[route]
    if roles == EVERY_ACCOUNT or (roles is ANYONE and route in ROUTE_SCOPES):
        answers["403"] = OUT_OF_SCOPE
    elif roles is not ANYONE:
        answers["403"] = FORBIDDEN
    return answers


def _shared_or_own(status: str, response: dict[str, Any]) -> dict[str, Any]:
    for name, shared in RESPONSES.items():
        if shared == response:
            return {"$ref": f"#/components/responses/{name}"}
    return _with_headers(response, status)


def _with_headers(response: dict[str, Any], status: str) -> dict[str, Any]:
    names = ["X-Request-Id", versions.NAME]
    names += ["Retry-After"] if status in _RETRYABLE else []
    names += _LIMITED if status not in _UNCOUNTED else ()
    told = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return response | {"headers": told | response.get("headers", {})}


def _status_of(response: dict[str, Any]) -> str:
    (content,) = response["content"].values()
    return str(content["example"]["status"])


def _as_refusal(response: dict[str, Any]) -> dict[str, Any]:
    """The same in the shape that `validate` has for every answer (US-004)."""
    ((media_type, content),) = response["content"].items()
    example = dict(refusal(content["example"]["code"])) | content["example"]
    return response | {"content": {media_type: content | {"example": example}}}


def _name_problems(value: Any) -> None:
    """Let whatever is a plain problem document say so by reference."""
    if isinstance(value, dict):
        if value.get("schema") == PROBLEM_SCHEMA:
            value["schema"] = {"$ref": "#/components/schemas/Problem"}
        for one in value.values():
            _name_problems(one)
    elif isinstance(value, list):
        for one in value:
            _name_problems(one)
