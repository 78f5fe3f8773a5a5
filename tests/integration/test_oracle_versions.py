"""Every answer tells which dated version of the API gave it, and an unknown one is refused."""

import aiohttp
import pytest
from oracle_support import Client

from billcoin_client.version import API_VERSION
from oracle_api import versions

NOW = versions.CURRENT.decode()
VALIDATE = "/api/v1/payments/validate"


def asking(version: str) -> dict[str, str]:
    return {versions.NAME: version}


async def test_every_answer_tells_its_version_asked_or_not(client: Client) -> None:
    order = await client.order()
    order_path = f"/api/v1/orders/{order['id']}"
    _, _, told = await client.call("GET", order_path)
    for method, path, headers, status in (
        ("GET", "/healthz", {}, 200),
        ("GET", "/metrics", {}, 200),
        ("GET", "/till", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", order_path, {}, 200),
        ("HEAD", "/healthz", {}, 200),
        ("GET", order_path, {"If-None-Match": told["etag"]}, 304),
        ("POST", "/api/v1/tokens/revoke", {}, 204),
        ("GET", "/api/v1/orders/ws", {}, 426),
        ("POST", VALIDATE, {}, 400),
        ("DELETE", "/api/v1/orders", {}, 405),
        ("GET", "/nope", {}, 404),
        ("GET", "/till", {"Host": "evil.example"}, 421),
    ):
        for asked in ({}, asking(NOW)):
            got, _, answered = await client.call(method, path, headers=headers | asked)
            assert (got, answered["billcoin-version"]) == (status, NOW), path


async def test_streams_tell_it_too(client: Client) -> None:
    async with client.session.get(client.base + "/api/v1/orders/stream", timeout=None) as stream:
        assert stream.headers["billcoin-version"] == NOW
    async with client.session.ws_connect(client.base + "/api/v1/orders/ws") as socket:
        assert socket._response.headers["billcoin-version"] == NOW
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.session.ws_connect(
            client.base + "/api/v1/orders/ws", headers=asking("2020-01-01")
        )
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "version", ["2020-01-01", "2026-11-25", "latest", "1", "é", NOW + ", " + NOW]
)
async def test_an_unknown_version_is_refused_with_those_there_are(
    client: Client, version: str
) -> None:
    for method, path in (
        ("POST", VALIDATE),
        ("GET", "/api/v1/orders"),
        ("POST", "/api/v1/orders"),
        ("GET", "/nope"),
    ):
        status, problem, headers = await client.call(
            method, path, headers=asking(version), json={} if method == "POST" else None
        )
        assert (status, problem["code"], problem["param"]) == (
            400,
            "version_unknown",
            versions.NAME,
        )
        assert problem["versions"] == [NOW]
        assert headers["billcoin-version"] == NOW
        assert ("valid" in problem) is (path == VALIDATE)


def test_the_client_speaks_the_newest_version() -> None:
    assert API_VERSION == NOW
