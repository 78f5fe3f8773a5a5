"""The OpenAPI document: what FastAPI finds, completed by what it cannot know."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from oracle_api.access.documentation import document_access
from oracle_api.links import document_links
from oracle_api.parameters import document_parameters
from oracle_api.payments.documentation import VALIDATE
from oracle_api.payments.endpoints import PATH as VALIDATE_PATH
from oracle_api.shared_answers import document_shared_answers, operations
from oracle_api.stream.documentation import SOCKET, STREAM
from oracle_api.stream.endpoints import PATH as STREAM_PATH
from oracle_api.stream.socket import PATH as SOCKET_PATH


def complete_openapi(api: FastAPI) -> None:
    """Add the routes that the edge answers itself, and our examples as they really are.

    FastAPI drops every null of an example, and announces a 422 that we never send.
    """
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is not None:
            return api.openapi_schema
        document = generate()
        paths = document["paths"]
        for route in routes_of(api.router.routes):
            if isinstance(route, APIRoute) and route.include_in_schema and route.responses:
                told = {str(status): answer for status, answer in route.responses.items()}
                for method in (route.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
                    paths[route.path][method.lower()]["responses"] = dict(told)
        for operation in (one for path in paths.values() for one in path.values()):
            operation["responses"].pop("422", None)
        paths[VALIDATE_PATH] = {"post": deepcopy(VALIDATE)}
        paths[STREAM_PATH] = {"get": deepcopy(STREAM)}
        paths[SOCKET_PATH] = {"get": deepcopy(SOCKET)}
        document_access(document)
        document_shared_answers(document)
        for path, _, operation in operations(document):
            document_parameters(path, operation)
        document_links(document)
        schemas = document.get("components", {}).get("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return document

    api.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own guide extends it


def routes_of(routes: Iterable[Any]) -> Iterator[Any]:
    """Every route by itself, also those of routers that were included."""
    for route in routes:
        if isinstance(route, Mount):
            raise TypeError("what is mounted cannot be walked: declare its routes one by one")
        if hasattr(route, "methods"):
            yield route
        else:
            yield from routes_of(route.original_router.routes)
