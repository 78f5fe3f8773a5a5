"""What is true of every request: ids, shapes, limits, headers; and the process itself."""

import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from oracle_support import (
    ANYWHERE,
    Client,
    Ledger,
    Pay,
    environment_for,
    served,
    settings_for,
    tx,
    until_all_is_told,
    until_journal_is_read,
)

from oracle_api import server as server_module
from oracle_api.application import create_oracle


async def raw(client: Client, *parts: bytes) -> bytes:
    """Send bytes as they are and read until the server closes."""
    host, port = client.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(20):
                while chunk := await reader.read(65536):
                    answer += chunk
    finally:
        writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def test_every_answer_has_a_request_id_and_a_harmless_one_is_kept(lonely: Client) -> None:
    for path in ("/healthz", "/metrics", "/nope", "/openapi.json", "/till", "/readyz"):
        _, _, headers = await lonely.call("GET", path)
        assert re.fullmatch(r"req_[0-9a-f]{20}", headers["x-request-id"]), path
        _, _, headers = await lonely.call("GET", path, headers={"X-Request-Id": "till-3.42"})
        assert headers["x-request-id"] == "till-3.42"
        for strange in ("a b", "x" * 65, "é", "<script>"):
            _, _, headers = await lonely.call("GET", path, headers={"X-Request-Id": strange})
            assert headers["x-request-id"].startswith("req_")


async def test_every_error_is_a_problem_document(lonely: Client) -> None:
    for method, path, status, code in (
        ("GET", "/nope", 404, "route_not_found"),
        ("DELETE", "/api/v1/orders", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/api/v1/orders", 503, "database_unavailable"),
        ("GET", "/api/v1/orders/ord_" + "0" * 26, 503, "database_unavailable"),
        ("GET", "/readyz", 503, "database_unavailable"),
        ("GET", "/docs", 404, "route_not_found"),
        ("GET", "/redoc", 404, "route_not_found"),
    ):
        got, problem, headers = await lonely.call(method, path)
        assert (got, problem["code"], problem["status"]) == (status, code, status), path
        assert headers["content-type"] == "application/problem+json"
        assert problem.keys() == {
            *("type", "title", "status", "detail", "code", "param", "retryable", "requestId")
        }
        assert problem["requestId"] == headers["x-request-id"]
        assert ("retry-after" in headers) is problem["retryable"]
        assert "server" not in headers


async def test_a_load_balancer_may_ask_with_head(lonely: Client) -> None:
    for path, status in (("/healthz", 200), ("/readyz", 503)):
        got, body, _ = await lonely.call("HEAD", path)
        assert (got, body) == (status, b"")


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url)) as client:
        yield client


async def test_head_is_get_without_the_body(client: Client) -> None:
    order_id = (await client.order())["id"]
    for path, status in (
        ("/api/v1/orders", 200),
        (f"/api/v1/orders/{order_id}", 200),
        ("/api/v1/orders/ord_" + "0" * 26, 404),
        ("/api/v1/orders?limit=no", 400),
        ("/api/v1/orders/ws", 426),
        ("/openapi.json", 200),
        ("/till", 200),
        ("/till/assets/main.js", 200),
        ("/metrics", 200),
        ("/nope", 404),
    ):
        got, body, headers = await client.call("HEAD", path)
        told, content, expected = await client.call("GET", path)
        assert (got, told, body, bool(content)) == (status, status, b"", True), path
        assert headers.keys() == expected.keys(), path
        assert headers["content-type"] == expected["content-type"], path
        if path != "/metrics":  # which has counted us meanwhile
            assert headers["content-length"] == expected["content-length"], path


async def test_head_of_a_stream_ends_at_once(client: Client) -> None:
    got, body, headers = await client.call("HEAD", "/api/v1/orders/stream")
    assert (got, body) == (200, b"")
    assert headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_pages_have_strict_security_headers(lonely: Client) -> None:
    for path in ("/till", "/openapi.json", "/nope"):
        _, _, headers = await lonely.call("GET", path)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


async def test_too_large_a_body_is_refused_everywhere(lonely: Client) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1024

    for path in ("/api/v1/orders", "/nope"):
        for body in (b"x" * (64 * 1024 + 1), trickle()):
            status, problem, _ = await lonely.call("POST", path, data=body)
            assert (status, problem["code"]) == (413, "body_too_large")


async def test_an_announced_flood_is_refused_before_it_is_sent(lonely: Client) -> None:
    head = b"POST /api/v1/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n"
    answer = await raw(lonely, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


async def test_an_endless_head_is_cut_off(lonely: Client) -> None:
    flood = b"x-padding: " + b"x" * 8192 + b"\r\n"
    answer = await raw(lonely, b"GET /healthz HTTP/1.1\r\nhost: x\r\n", *([flood] * 64))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert (await lonely.call("GET", "/healthz"))[0] == 200


async def test_a_head_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_SECONDS", 0.3)
    async with served(settings_for(ANYWHERE)) as client:
        for start in (b"", b"GET /healthz HTTP/1.1\r\nhost"):
            assert await raw(client, start) == b""


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle_api.request.BODY_TIMEOUT_SECONDS", 0.3)
    async with served(settings_for(ANYWHERE)) as client:
        head = b"POST /api/v1/payments/validate HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n{"
        answer = await raw(client, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "request_timeout"


@pytest.mark.parametrize(
    "smuggled",
    [
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
        b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"content-length: +2\r\n\r\n{}",
        b"content-length: 0x2\r\n\r\n{}",
    ],
)
async def test_a_body_of_two_lengths_is_no_request(smuggled: bytes) -> None:
    async with served(settings_for(ANYWHERE)) as client:
        head = b"POST /api/v1/payments/validate HTTP/1.1\r\nhost: x\r\n"
        answer = await raw(client, head + smuggled)
    assert b"HTTP/1.1 200" not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1


async def test_requests_sent_in_one_go_are_answered_in_order(lonely: Client) -> None:
    body = b'{"txHash":"x","expectedAmount":"1"}'
    post = b"POST /api/v1/payments/validate HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )
    last = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await raw(lonely, post + post + last)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"400", b"400", b"200"]


async def test_metrics_count_by_route_never_by_what_strangers_type(lonely: Client) -> None:
    for path in ("/a", "/b", "/c?x=1", "/api/v1/orders/ord_x"):
        await lonely.call("GET", path)
    await lonely.ask("nonsense")
    _, text, headers = await lonely.call("GET", "/metrics")
    assert headers["content-type"].startswith("text/plain")
    lines = text.decode()
    assert 'route="unmatched",status="404"} 3.0' in lines
    assert 'route="/api/v1/orders/{order_id}",status="404"} 1.0' in lines
    assert 'billcoin_validations_total{code="tx_hash_invalid"} 1.0' in lines
    assert "# TYPE validation_latency_seconds histogram" in lines
    # A total of zero would look like a reset to whoever watches it.
    assert "payment_success_total" not in lines


async def test_openapi_tells_every_route_and_its_examples_are_true(ledger: Ledger) -> None:
    async with served(settings_for(ledger.url)) as client:
        _, document, _ = await client.call("GET", "/openapi.json")
        paths = document["paths"]
        assert {
            "/api/v1/orders",
            "/api/v1/orders/{order_id}",
            "/api/v1/orders/{order_id}/cancel",
            "/api/v1/orders/{order_id}/qr.svg",
            "/api/v1/orders/stream",
            "/api/v1/payments/validate",
        } <= paths.keys()
        order = await client.order()
        await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
        shown, answer = await client.get(order["id"]), await client.validate(tx(1))
        post = paths["/api/v1/payments/validate"]["post"]
        assert shape(example(post, "200")) == shape(answer)
        status, refused = await client.ask("nonsense")
        assert shape(example(post, str(status))) == shape(refused)
        read = paths["/api/v1/orders/{order_id}"]["get"]
        assert example(read, "200").keys() == shown.keys()
        assert example(read, "200")["payments"][0].keys() == shown["payments"][0].keys()
        for item in paths.values():
            for operation in item.values():
                assert "422" not in operation["responses"]


def example(operation: Any, status: str) -> Any:
    (content,) = operation["responses"][status]["content"].values()
    return content["example"]


def shape(value: Any) -> Any:
    return {name: shape(one) for name, one in value.items()} if isinstance(value, dict) else ""


def environment(database_url: str, port: int = 0) -> dict[str, str]:
    return environment_for(database_url) | {
        "BILLCOIN_ORACLE_PORT": str(port),
        "BILLCOIN_ACCESS": "open",
    }


async def start(variables: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oracle_api", "serve"),
        env=variables,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_process_serves_logs_json_and_stops_with_open_streams(ledger: Ledger) -> None:
    settings = settings_for(ledger.url)
    process = await start(environment(ledger.url))
    assert process.stderr is not None
    logged: list[Any] = []
    while not logged or logged[-1]["event"] != "serving":
        logged.append(json.loads(await process.stderr.readline()))
    base = "http://" + logged[-1]["addresses"][0]
    (starting,) = [line for line in logged if line["event"] == "starting"]
    assert starting["storeId"] == "cafeteria"
    assert ledger.url not in json.dumps(logged)
    await ledger.observe()  # starting may take longer than an observation is believed
    async with aiohttp.ClientSession() as session:
        oracle = create_oracle(settings)
        client = Client(base, session, oracle, server_module.server_for(oracle, settings))
        order = await client.order()
        async with client.stream() as stream:
            assert (await stream.next()).event == "snapshot"
            # A browser cannot add a header; some put their token here all the same.
            socket_url = f"{base}/api/v1/orders/ws?access_token=bck_test_secret"
            async with session.ws_connect(socket_url) as socket_:
                await socket_.receive()
            for path in ("/api/v1/orders", "/api/v1/payments/validate"):
                await client.call("GET", f"{path}?access_token=bck_test_secret")
            waiting = asyncio.create_task(client.validate(tx(1), prefer="wait=30"))
            await asyncio.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):  # well before the wait would have ended
                with pytest.raises(EOFError):
                    await stream.next()
                assert (await waiting)["error"] == "transaction_not_found"
    rest = [json.loads(line) for line in (await process.stderr.read()).splitlines()]
    assert "bck_test_secret" not in json.dumps(rest)
    assert await process.wait() in {0, -signal.SIGTERM}
    made = next(line for line in rest if line["event"] == "order made")
    assert made["orderId"] == order["id"]
    assert made["requestId"].startswith("req_")


async def test_the_process_names_the_setting_that_is_wrong() -> None:
    variables = environment(ANYWHERE) | {"BILLCOIN_RATE_MYR_PER_BILL": "0"}
    del variables["BILLCOIN_CHAIN_ID"]
    process = await start(variables)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"BILLCOIN_CHAIN_ID is not set" in errors
    assert b"BILLCOIN_RATE_MYR_PER_BILL" in errors
    assert b"Traceback" not in errors


async def test_a_taken_port_ends_the_process_with_the_reason(lonely: Client) -> None:
    port = int(lonely.base.rsplit(":", 1)[1])
    process = await start(environment(ANYWHERE, port))
    _, errors = await process.communicate()
    assert process.returncode not in {0, None}
    assert b"in use" in errors


async def test_two_replicas_show_one_ledger(ledger: Ledger) -> None:
    settings = settings_for(ledger.url)
    async with served(settings) as one, served(settings) as other:
        await until_journal_is_read(other)
        async with other.stream() as stream:
            await stream.next()
            order = await one.order()
            assert (await stream.next()).data["data"]["orderId"] == order["id"]
        waiting = asyncio.create_task(other.validate(tx(1), prefer="wait=20"))
        await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
        assert (await waiting)["valid"]
        for client in (one, other):
            await until_all_is_told(client, ledger)
            _, text, _ = await client.call("GET", "/metrics")
            assert b"payment_success_total 1.0" in text
