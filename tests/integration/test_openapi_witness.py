"""Whatever a test asks for: an answer that the OpenAPI document does not announce fails it."""

from typing import Any

import pytest
from openapi_claims import handshake
from oracle_support import ANYWHERE, Client, announcements, served, settings_for

PATH = "/api/v1/catalogue"


@pytest.fixture
def operation() -> dict[str, Any]:
    found: dict[str, Any] = announcements().document["paths"][PATH]["get"]
    return found


async def ask() -> None:
    async with served(settings_for(ANYWHERE)) as client:
        assert (await client.call("GET", PATH))[0] == 200


async def test_what_is_announced_passes(operation: dict[str, Any]) -> None:
    assert "200" in operation["responses"]
    await ask()


async def test_a_status_that_is_not_announced_is_named(
    operation: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(operation["responses"], "200")
    told = f"GET {PATH} answered 200: a status that is not announced"
    with pytest.raises(AssertionError, match=told):
        await ask()


@pytest.mark.parametrize(
    ("name", "announced", "told"),
    [
        ("headers", {"X-More": {"required": True}}, "X-More"),
        ("content", {"text/html": {"schema": {}}}, "a type that is not announced"),
        ("content", {"application/json": {"schema": {"type": "string"}}}, "is not of type"),
    ],
)
async def test_so_is_another_form(
    operation: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    announced: dict[str, Any],
    told: str,
) -> None:
    monkeypatch.setitem(operation["responses"]["200"], name, announced)
    with pytest.raises(AssertionError, match=f"GET {PATH} answered 200: .*{told}"):
        await ask()


async def test_where_there_is_no_operation_nothing_is_announced(lonely: Client) -> None:
    for method, path, headers, status in (
        ("GET", "/api/v1/nothing", {}, 404),
        ("PUT", PATH, {}, 405),
        ("GET", PATH, handshake(), 404),
    ):
        assert (await lonely.call(method, path, headers=headers))[0] == status
