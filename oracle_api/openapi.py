"""The OpenAPI document: what FastAPI finds, completed by what it cannot know."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from oracle_api.payments.documentation import VALIDATE
from oracle_api.payments.endpoints import PATH as VALIDATE_PATH
from oracle_api.stream.documentation import SOCKET, STREAM
from oracle_api.stream.endpoints import PATH as STREAM_PATH
from oracle_api.stream.socket import PATH as SOCKET_PATH


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
