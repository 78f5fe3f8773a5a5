"""Every route declares who may use it, and nothing is reachable that does not."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from oracle_support import ANYWHERE, Client, served, settings_for

from oracle_api.access.principal import Role, Scope
from oracle_api.access.route_map import RouteMap
from oracle_api.access.route_roles import (
    ANYONE,
    BLIND_ROUTES,
    BUYERS,
    COOKIE_ROUTES,
    ROUTE_ROLES,
    ROUTE_SCOPES,
)
from oracle_api.application import Oracle, create_oracle
from oracle_api.openapi import routes_of


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return create_oracle(settings_for(ANYWHERE))


def served_routes(oracle: Oracle) -> Iterator[tuple[str, str]]:
    """Method and path of whatever answers: FastAPI's routes and the edge's own."""
    for route in routes_of(oracle.api.router.routes):
        for method in route.methods:
            yield method, route.path
    edge = oracle._edge
    yield from (route for route in (*edge._direct, *edge._streams))


def test_every_route_is_declared_and_every_declared_route_is_there(oracle: Oracle) -> None:
    # HEAD is answered wherever GET is.
    there = {route for route in served_routes(oracle) if route[0] != "HEAD"}
    assert there - ROUTE_ROLES.keys() == set(), "declare these in oracle_api/access/route_roles.py"
    assert ROUTE_ROLES.keys() - there == set(), "nothing answers these any more"


def test_the_other_tables_speak_of_declared_routes() -> None:
    for table in (ROUTE_SCOPES.keys(), BLIND_ROUTES, COOKIE_ROUTES):
        assert set(table) <= ROUTE_ROLES.keys()
    assert {ROUTE_ROLES[route] for route in BLIND_ROUTES} == {ANYONE}
    # A cookie comes by itself, so it may only ever read.
    assert {method for method, _ in COOKIE_ROUTES} == {"GET"}
    assert set(ROUTE_SCOPES.values()) <= set(Scope)


def test_what_partners_may_do_they_may_do_with_an_api_key() -> None:
    for route, roles in ROUTE_ROLES.items():
        if roles is not ANYONE and Role.PARTNER in roles and roles & BUYERS == BUYERS:
            assert route in ROUTE_SCOPES or route in NOT_FOR_KEYS, route


# Only a person signs in, looks at their own account or links a wallet.
NOT_FOR_KEYS = {
    ("GET", "/api/v1/accounts/me"),
    ("POST", "/api/v1/wallets/challenge"),
    ("POST", "/api/v1/wallets"),
    ("GET", "/api/v1/wallets"),
    ("DELETE", "/api/v1/wallets/{wallet_id}"),
}


def test_literal_paths_win_over_parameters() -> None:
    routes = RouteMap()
    assert routes.find("/api/v1/orders/stream").rules["GET"].path == "/api/v1/orders/stream"
    for strange in ("/api/v1/orders/", "/api/v1//orders", "/API/v1/orders", "/api/v1/orders/a/b"):
        assert not routes.find(strange).rules, strange


@pytest.fixture
async def shut() -> Any:
    """An oracle with accounts, whose database is away: nobody gets in."""
    async with served(settings_for(ANYWHERE, access="accounts")) as client:
        yield client


async def test_without_credentials_only_what_is_for_anyone_answers(shut: Client) -> None:
    for (method, path), roles in ROUTE_ROLES.items():
        status, problem, headers = await shut.call(method, re.sub(r"\{.+?\}", "x", path))
        if roles is ANYONE:
            assert status not in {401, 403}, path
            continue
        assert (status, problem["code"]) == (401, "credentials_missing"), path
        assert headers["www-authenticate"] == 'Bearer realm="billcoin"'
        assert problem["contact"] == {"name": "the administrative office", "contact": None}


async def test_what_is_not_declared_is_not_there(shut: Client) -> None:
    async def undeclared() -> None:
        raise AssertionError("it was let in")

    shut.oracle.api.add_api_route("/api/v1/secret", undeclared, methods=["GET", "POST"])
    shut.oracle.api.add_api_route("/api/v1/orders", undeclared, methods=["PUT"])
    for method in ("GET", "POST"):
        status, problem, _ = await shut.call(method, "/api/v1/secret")
        assert (status, problem["code"]) == (404, "route_not_found")
    status, problem, headers = await shut.call("PUT", "/api/v1/orders")
    assert (status, problem["code"]) == (405, "method_not_allowed")
    assert headers["allow"] == "GET, HEAD, POST"


async def test_openapi_says_who_may_use_each_route(shut: Client) -> None:
    _, document, _ = await shut.call("GET", "/openapi.json")
    assert document["components"]["securitySchemes"].keys() == {"bearer", "cookie"}
    create = document["paths"]["/api/v1/orders"]["post"]
    assert create["security"] == [{"bearer": ["orders:write"]}]
    assert "student" in create["x-roles"]
    assert create["responses"]["401"] == {"$ref": "#/components/responses/Unauthenticated"}
    (denied,) = document["components"]["responses"]["Unauthenticated"]["content"].values()
    assert denied["example"]["contact"]
    validate = document["paths"]["/api/v1/payments/validate"]["post"]
    assert {} in validate["security"]
    stream = document["paths"]["/api/v1/orders/stream"]["get"]
    assert {"cookie": []} in stream["security"]
    assert document["paths"]["/api/v1/tokens"]["post"]["security"] == []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert (not operation["security"]) == ((method.upper(), path) in BLIND_ROUTES)
