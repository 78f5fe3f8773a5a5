"""Calls and heads over one WebSocket, against a node that hangs up, stalls or babbles."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from indexer.node import Node
from indexer.rpc import NodeRefusedError, NodeUnreachableError, RpcClient
from indexer.socket_rpc import SocketRpc


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    model = ChainModel(Random(5))  # noqa: S311 - wants repeating
    async with serve(FaultyNode(model)) as running:
        yield running


async def test_many_calls_share_the_socket_and_get_their_own_answers(
    session: ClientSession, server: FaultyServer
) -> None:
    model = server.node.model
    for _ in range(20):
        model.mine()
    socket = SocketRpc(session, server.ws_url, timeout_seconds=5)
    node = Node(socket, token=model.deployment.token, socket=socket)
    headers = await asyncio.gather(*(node.header_by_number(number) for number in range(20)))
    assert [header.number for header in headers] == list(range(20))
    await socket.close()


async def test_a_block_is_fetched_where_it_was_announced(
    session: ClientSession, server: FaultyServer
) -> None:
    """The HTTP endpoint of this node reaches nobody; the open socket serves."""
    model = server.node.model
    socket = SocketRpc(session, server.ws_url, timeout_seconds=5)
    dead = RpcClient(session, "http://127.0.0.1:1", timeout_seconds=1)
    node = Node(dead, token=model.deployment.token, socket=socket)
    with pytest.raises(NodeUnreachableError):
        await node.block_by_hash(model.head.hash)
    await socket.call("eth_subscribe", ["newHeads"])
    assert (await node.block_by_hash(model.head.hash)).header.hash == model.head.hash
    await socket.close()


async def test_heads_are_told(session: ClientSession, server: FaultyServer) -> None:
    told: list[str] = []
    socket = SocketRpc(session, server.ws_url, timeout_seconds=5)
    socket.on_notification = lambda message: told.append(message["params"]["result"]["hash"])
    await socket.call("eth_subscribe", ["newHeads"])
    block = server.node.model.mine()
    async with asyncio.timeout(5):
        while not told:  # noqa: ASYNC110 - another end sets no event
            await asyncio.sleep(0.01)
    assert told == ["0x" + block.hash.hex()]
    await socket.close()


async def test_a_refusal_is_one_and_leaves_the_socket_open(
    session: ClientSession, server: FaultyServer
) -> None:
    socket = SocketRpc(session, server.ws_url, timeout_seconds=5)
    with pytest.raises(NodeRefusedError):
        await socket.call("eth_noSuchMethod", [])
    assert socket.is_open
    await socket.close()


@pytest.mark.parametrize("fault", ["connection_reset", "slow_answer", "invalid_json"])
async def test_what_goes_wrong_is_unreachable_and_the_next_call_works(
    session: ClientSession, server: FaultyServer, fault: str
) -> None:
    socket = SocketRpc(session, server.ws_url, timeout_seconds=1)
    server.node.faults.turn_on(fault, times=1)
    with pytest.raises(NodeUnreachableError):
        await socket.call("eth_blockNumber", [])
    assert await socket.call("eth_chainId", []) == hex(server.node.model.deployment.chain_id)
    await socket.close()


async def test_a_server_that_speaks_no_websocket_is_unreachable(session: ClientSession) -> None:
    async with TestServer(web.Application()) as plain:
        socket = SocketRpc(session, f"ws://127.0.0.1:{plain.port}", timeout_seconds=2)
        with pytest.raises(NodeUnreachableError):
            await socket.call("eth_chainId", [])


async def test_babble_harms_nothing(session: ClientSession) -> None:
    async def babble(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            for text in ("nonsense", "[]", "7", '{"id": 99, "result": 1}', '{"method": "x"}'):
                await socket.send_str(text)
            asked = message.json()
            await socket.send_json({"jsonrpc": "2.0", "id": asked["id"], "result": "0x7"})
        return socket

    app = web.Application()
    app.router.add_get("/", babble)
    async with TestServer(app) as server:
        socket = SocketRpc(session, f"ws://127.0.0.1:{server.port}", timeout_seconds=2)
        assert await socket.call("eth_chainId", []) == "0x7"
        await socket.close()
