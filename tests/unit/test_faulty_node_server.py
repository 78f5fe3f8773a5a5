"""The node over its sockets: HTTP, batches, subscriptions, and answers spoilt on their way."""

# ruff: noqa: S311 - a test wants the same numbers each time

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import aiohttp
import pytest

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from devnet.faulty_node.switches import FaultSwitches
from devnet.faulty_node_commands import environment
from ledger.errors import TransientError
from ledger.json_hex import to_hex

SUBSCRIBE = {"id": 1, "method": "eth_subscribe", "params": ["newHeads"]}


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with serve(FaultyNode(ChainModel(Random(1)), FaultSwitches(1))) as listening:
        yield listening


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as opened:
        yield opened


async def _ask(session: aiohttp.ClientSession, server: FaultyServer, body: Any) -> Any:
    async with session.post(server.http_url, json=body) as response:
        return await response.json()


async def _heads(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    return [(await socket.receive_json(timeout=2))["params"]["result"] for _ in range(count)]


async def test_calls_and_batches_are_answered(
    server: FaultyServer, session: aiohttp.ClientSession
) -> None:
    one = await _ask(session, server, {"id": 7, "method": "eth_blockNumber"})
    assert one == {"jsonrpc": "2.0", "id": 7, "result": "0x1"}
    batch = await _ask(
        session,
        server,
        [{"id": 1, "method": "eth_chainId"}, {"id": 2, "method": "eth_nothing"}, 3],
    )
    assert [item.get("result") for item in batch] == ["0x7a69", None, None]
    assert [item.get("error", {}).get("code") for item in batch] == [None, -32601, -32600]


async def test_a_subscriber_hears_of_every_head(
    server: FaultyServer, session: aiohttp.ClientSession
) -> None:
    model = server.node.model
    async with session.ws_connect(server.ws_url) as socket:
        await socket.send_json({"id": 0, "method": "eth_blockNumber"})
        assert (await socket.receive_json())["result"] == "0x1"
        await socket.send_json(SUBSCRIBE)
        subscription = (await socket.receive_json())["result"]
        made = [model.mine(), model.mine(), model.reorg(1, [(), ()])]
        heads = await _heads(socket, 3)
        assert [head["hash"] for head in heads] == [to_hex(block.hash) for block in made]
        await socket.send_json({"id": 2, "method": "eth_unsubscribe", "params": [subscription]})
        assert (await socket.receive_json())["result"] is True


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        ("head_twice", [2, 2, 3]),
        ("lower_head", [2, 1, 3]),
        ("heads_skipped", [3, 4, 5]),
        ("socket_on_another_branch", [2, 3, 4]),
        ("lagging_node_null", [1, 2, 3]),
    ],
)
async def test_a_subscription_fails_as_told(
    server: FaultyServer, session: aiohttp.ClientSession, fault: str, numbers: list[int]
) -> None:
    async with session.ws_connect(server.ws_url) as socket:
        await socket.send_json(SUBSCRIBE)
        await socket.receive_json()
        server.node.faults.turn_on(fault, times=1)
        for _ in range(4):
            server.node.model.mine()
        heads = await _heads(socket, 3)
    assert [int(head["number"], 16) for head in heads] == numbers


async def test_an_answer_is_spoilt_on_its_way_as_told(
    server: FaultyServer, session: aiohttp.ClientSession
) -> None:
    question = {"id": 1, "method": "eth_chainId"}
    faults = server.node.faults
    for name in ("http_500", "rate_limited", "invalid_json", "error_object"):
        faults.turn_on(name, times=1, amount=3)
        async with session.post(server.http_url, json=question) as response:
            body = await response.read()
        if name == "rate_limited":
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
        elif name == "http_500":
            assert response.status == 500
        else:
            assert response.status == 200
            assert (b'"error"' in body) is (name == "error_object")
    for name in ("connection_reset", "huge_answer", "slow_answer"):
        faults.turn_on(name, times=1)
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await _ask(session, server, question)
    assert (await _ask(session, server, question))["result"] == "0x7a69"


async def test_faults_are_steered_over_http_and_never_strike_the_steering(
    server: FaultyServer, session: aiohttp.ClientSession
) -> None:
    setting = {"id": 1, "method": "faulty_set", "params": ["http_500", {"probability": 1}]}
    assert (await _ask(session, server, setting))["result"]["faults"] == ["http_500"]
    status = await _ask(session, server, {"id": 1, "method": "faulty_status"})
    assert status["result"]["head"]["number"] == 1
    cleared = await _ask(session, server, {"id": 1, "method": "faulty_clear"})
    assert cleared["result"]["faults"] == []


async def test_a_socket_that_is_cut_loses_its_subscription_and_no_other(
    server: FaultyServer, session: aiohttp.ClientSession
) -> None:
    async with (
        session.ws_connect(server.ws_url) as cut,
        session.ws_connect(server.ws_url) as kept,
    ):
        await kept.send_json(SUBSCRIBE)
        await kept.receive_json()
        server.node.faults.turn_on("connection_reset", times=1)
        await cut.send_json({"id": 1, "method": "eth_chainId"})
        assert (await cut.receive()).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        server.node.model.mine()
        assert len(await _heads(kept, 1)) == 1


async def test_the_command_says_what_an_indexer_has_to_be_told(server: FaultyServer) -> None:
    variables = environment(server)
    assert variables["BILLCOIN_NODE_HTTP_URL"] == server.http_url
    assert len(variables) == 7


async def test_a_taken_port_is_said_to_be_taken(server: FaultyServer) -> None:
    port = int(server.http_url.rsplit(":", 1)[1])
    with pytest.raises(TransientError):
        async with serve(server.node, port=port):
            await asyncio.sleep(0)
