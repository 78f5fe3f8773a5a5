"""The oracle's client against an HTTP server that says what a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from devnet.oracle_client import OracleClient, open_oracle
from devnet.ports import LOOPBACK, free_port
from devnet.sale import _Till
from devnet.timeline import Timeline
from ledger.errors import RejectedError, TransientError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[str, str, Handler], Awaitable[OracleClient]]
TX_HASH = b"\1" * 32


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    application, port = web.Application(), free_port()
    runner = web.AppRunner(application)

    async def start(method: str, path: str, handler: Handler) -> OracleClient:
        application.router.add_route(method, path, handler)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port).start()
        return client

    async with open_oracle(f"http://{LOOPBACK}:{port}/") as client:
        yield start
    await runner.cleanup()


def answers(status: int, body: object) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return handle


async def test_an_oracle_that_is_not_there_is_not_ready() -> None:
    async with open_oracle(f"http://{LOOPBACK}:{free_port()}") as oracle:
        assert not await oracle.is_ready()
        with pytest.raises(TransientError, match="no answer from the oracle"):
            await oracle.validate(TX_HASH, "1")


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
async def test_ready_is_what_readyz_says(serve: Serve, status: int, *, ready: bool) -> None:
    oracle = await serve("GET", "/readyz", answers(status, {}))
    assert await oracle.is_ready() is ready


async def test_a_verdict_is_an_answer_whatever_its_status(serve: Serve) -> None:
    verdict = {"valid": False, "confirmedAt": None, "error": "ledger_behind"}
    oracle = await serve("POST", "/api/v1/payments/validate", answers(503, verdict))
    assert await oracle.validate(TX_HASH, "1") == verdict


async def test_a_problem_is_told_with_its_code(serve: Serve) -> None:
    problem = {"code": "sku_unknown", "detail": "there is no such milk"}
    oracle = await serve("POST", "/api/v1/orders", answers(400, problem))
    with pytest.raises(RejectedError, match="there is no such milk") as refusal:
        await oracle.create_order("oat", 1)
    assert refusal.value.code == "sku_unknown"


async def test_an_order_has_its_key_and_items(serve: Serve) -> None:
    seen: list[tuple[str, object]] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.headers["Idempotency-Key"], await request.json()))
        return web.json_response({"id": "ord_1"}, status=201)

    oracle = await serve("POST", "/api/v1/orders", handle)
    await oracle.create_order("fresh-250ml", 1)
    await oracle.create_order("fresh-250ml", 1)
    assert seen[0][1] == {"items": [{"sku": "fresh-250ml", "quantity": 1}]}
    assert seen[0][0] != seen[1][0]


@pytest.mark.parametrize(("status", "text"), [(404, "<svg/>"), (200, "milk")])
async def test_what_is_no_qr_code_is_noticed(serve: Serve, status: int, text: str) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    oracle = await serve("GET", "/api/v1/orders/ord_1/qr.svg", handle)
    with pytest.raises(TransientError, match="QR code"):
        await oracle.qr_svg("ord_1")


def streams(text: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for start in range(0, len(text), 7):
            await response.write(text[start : start + 7].encode())
        return response

    return handle


async def test_events_are_read_as_the_format_says(serve: Serve) -> None:
    text = "retry: 1\n\n:\n\nevent: order.paid\nid: 3\ndata: {\ndata: }\n\ndata:x\n\ndata: cut off"
    oracle = await serve("GET", "/api/v1/orders/stream", streams(text))
    connected = asyncio.Event()
    events = [event async for event in oracle.order_events(connected=connected)]
    assert connected.is_set()
    assert [(event.type, event.data) for event in events] == [
        ("order.paid", "{\n}"),
        ("message", "x"),
    ]


def event(order_id: str, status: str, payment: object) -> str:
    data = {"orderId": order_id, "status": status, "payment": payment}
    body = {"createdAt": "2026-04-10T08:15:23.5Z", "data": data}
    return f"event: order.{status}\ndata: {json.dumps(body)}\n\n"


async def test_the_till_sees_its_own_order_only(serve: Serve) -> None:
    text = (
        "event: snapshot\ndata: {}\n\n"
        + event("ord_2", "paid", {})
        + event("ord_1", "awaiting_payment", None)
        + event("ord_1", "detected", {})
    )
    oracle = await serve("GET", "/api/v1/orders/stream", streams(text))
    timeline = Timeline(iter(range(100)).__next__, lambda _: None)
    till = _Till(timeline)
    till.order_id = "ord_1"
    with pytest.raises(TransientError, match="stream ended"):
        await till.follow(oracle)
    assert set(timeline.marks) == {"proven"}
    assert not till.paid.is_set()


async def test_settled_at_once_means_paid_too(serve: Serve) -> None:
    oracle = await serve("GET", "/api/v1/orders/stream", streams(event("ord_1", "settled", {})))
    timeline = Timeline(iter(range(100)).__next__, lambda _: None)
    till = _Till(timeline)
    till.order_id = "ord_1"
    with pytest.raises(TransientError, match="stream ended"):
        await till.follow(oracle)
    assert set(timeline.marks) == {"proven", "paid", "settled"}
    assert till.paid.is_set()
    assert till.settled.is_set()
