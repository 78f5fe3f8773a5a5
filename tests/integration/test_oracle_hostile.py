"""Whoever can reach the API, and whatever page a till's browser visits beside it."""

import json

import aiohttp
import pytest
from oracle_support import (
    ANYWHERE,
    Client,
    Ledger,
    open_ledger,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)
from test_oracle_edge import environment, raw, start

from oracle_api.access.route_roles import ROUTE_ROLES
from oracle_api.request import MAX_BODY_BYTES, MAX_BODY_PARTS

OURS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'billcoin-oracle'
"""


async def test_validations_of_an_empty_ledger_leave_no_connection_behind(ledger_url: str) -> None:
    async with (
        open_ledger(ledger_url, begin=False) as ledger,
        served(settings_for(ledger_url)) as client,
    ):
        await until_journal_is_read(client)
        for _ in range(12):
            assert (await client.ask(tx(1)))[1]["error"] == "ledger_empty"
        # The listener's and, at most, the two lanes'.
        assert await ledger.connection.fetchval(OURS) <= 3


async def test_validations_that_time_out_leave_no_connection_behind(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is slow already must not be buried under abandoned sessions."""
    async with served(settings_for(ledger.url)) as client:
        await until_journal_is_read(client)
        monkeypatch.setattr("oracle_api.payments.evidence.READ_TIMEOUT_SECONDS", 0.0)
        for _ in range(12):
            assert (await client.ask(tx(1)))[1]["error"] == "database_unavailable"
        assert await ledger.connection.fetchval(OURS) <= 3


async def test_a_body_that_never_begins_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle_api.request.BODY_TIMEOUT_SECONDS", 0.3)
    async with served(settings_for(ANYWHERE)) as client:
        head = b"POST /api/v1/payments/validate HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n"
        answer = await raw(client, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "request_timeout"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"\ud800": 1}',
        rb'{"amountMyr": "\ud800"}',
        rb'{"amountMyr": "1.80", "reference": "\udfff"}',
        rb'{"items": [{"\ud800": 1}]}',
        b'{"items": [{"sku": "x", "quantity": ' + b"9" * 5000 + b"}]}",
        b"[" * 30_000,
        b"\xff",
    ],
)
async def test_no_body_makes_a_server_error(lonely: Client, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    status, problem, _ = await lonely.call("POST", "/api/v1/orders", data=body, headers=headers)
    assert (status, problem["status"]) == (400, 400), problem


def till(host: str = "x") -> dict[str, str]:
    return {"Host": host, "Idempotency-Key": "k", "Content-Type": "application/json"}


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8400", "127.0.0.1.evil.example"])
async def test_a_name_that_a_stranger_lets_point_to_us_is_not_ours(
    lonely: Client, name: str
) -> None:
    """DNS rebinding: the browser takes the stranger's page for one of ours."""
    for method, path in (("GET", "/api/v1/orders"), ("GET", "/till"), ("POST", "/api/v1/orders")):
        status, problem, _ = await lonely.call(method, path, headers=till(name))
        assert (status, problem["code"]) == (421, "host_unknown")


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "[::1]:8400", "localhost:1", "oracle", "Pay.example"]
)
async def test_addresses_local_names_and_ours_are_answered(name: str) -> None:
    async with served(settings_for(ANYWHERE, oracle_names=("pay.example",))) as client:
        for path in ("/healthz", "/till"):
            assert (await client.call("GET", path, headers={"Host": name}))[0] == 200


@pytest.mark.parametrize(
    ("told", "is_foreign"),
    [
        ({}, False),  # no browser
        ({"Origin": "http://x"}, False),
        ({"Origin": "http://X"}, False),
        ({"Origin": "https://pay.example"}, False),  # a proxy that names us in its own way
        ({"Origin": "https://pay.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "http://x:3000"}, True),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://["}, True),  # which no URL parser takes
        ({"Origin": "http://x", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
    ],
)
async def test_a_foreign_page_changes_nothing(told: dict[str, str], *, is_foreign: bool) -> None:
    """A form or a `fetch` of any page reaches the loopback interface of the till it is seen on."""
    async with served(settings_for(ANYWHERE, oracle_names=("pay.example",))) as client:
        for path in ("/api/v1/orders/ord_" + "0" * 26 + "/cancel", "/api/v1/payments/validate"):
            headers = {"Host": "x", "Content-Type": "text/plain"} | told
            _, problem, _ = await client.call("POST", path, headers=headers, data=b"{}")
            assert (problem["code"] == "origin_foreign") is is_foreign, problem
        # Reading is no change, and what a foreign page reads its browser keeps from it.
        status, _, headers = await client.call("GET", "/till", headers={"Host": "x"} | told)
        assert status == 200
        assert "access-control-allow-origin" not in headers


async def test_no_depth_of_a_body_ends_the_process(ledger: Ledger) -> None:
    """65,536 lists in each other overran the reader's stack; no credentials were needed."""
    process = await start(environment(ledger.url))
    assert process.stderr is not None
    line = b"{}"
    while (told := json.loads(line)).get("event") != "serving":
        line = await process.stderr.readline()
    base = "http://" + told["addresses"][0]
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:
        for method, path in ROUTE_ROLES:
            if method in {"POST", "PATCH"}:
                for body in (b"[" * MAX_BODY_BYTES, b'{"":' * (MAX_BODY_BYTES // 4)):
                    async with session.request(
                        method, base + path, data=body, headers=headers
                    ) as answer:
                        problem = await answer.json()
                    assert (answer.status, problem["code"]) == (400, "body_malformed"), path
    process.terminate()
    await process.communicate()


async def test_as_many_parts_as_are_allowed_can_be_read(lonely: Client) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"":', b"}")):
        body = opening * MAX_BODY_PARTS + b"0" * (opening == b'{"":') + closing * MAX_BODY_PARTS
        status, problem, _ = await lonely.call("POST", "/api/v1/orders", data=body, headers=till())
        assert (status, problem["status"]) == (400, 400), problem
        status, problem, _ = await lonely.call("POST", "/api/v1/payments/validate", data=body)
        assert (status, problem["valid"]) == (400, False), problem
