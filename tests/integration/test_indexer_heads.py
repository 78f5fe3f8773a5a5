"""A node's heads over its subscription, which may die without saying so, and by polling."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random

import pytest
import structlog
from aiohttp import ClientSession
from market import wait_for

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from indexer import heads as heads_module
from indexer.heads import Announcement, Heads, HeadWatch
from indexer.node import Node
from indexer.rpc import RpcClient
from indexer.socket_rpc import SocketRpc
from indexer.source import Source
from ledger.chain import BlockRef


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with serve(FaultyNode(ChainModel(Random(7)))) as running:  # noqa: S311 - wants repeating
        yield running


@contextlib.asynccontextmanager
async def watching(
    server: FaultyServer, heads: Heads, *, block_time_seconds: float = 10.0
) -> AsyncIterator[Source]:
    """A watch on a node, from its first head and its first subscription on."""
    async with ClientSession() as session:
        token = server.node.model.deployment.token
        socket = SocketRpc(session, server.ws_url, timeout_seconds=5)
        rpc = RpcClient(session, server.http_url, timeout_seconds=5)
        source = Source(Node(rpc, token=token, socket=socket), name=server.http_url)
        watch = asyncio.create_task(
            HeadWatch(source, heads, block_time_seconds=block_time_seconds).run()
        )
        try:
            await until_subscribed(server, 1)
            assert (await told_next(heads)).head == ref(server)
            yield source
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await socket.close()


async def until_subscribed(server: FaultyServer, times: int) -> None:
    async def subscribed() -> bool:
        return server.node.announcements.subscribed >= times

    await wait_for(subscribed, f"subscription {times}")


async def told_next(heads: Heads) -> Announcement:
    async with asyncio.timeout(20):
        return await heads.next()


def ref(server: FaultyServer) -> BlockRef:
    head = server.node.model.head
    return BlockRef(head.number, head.hash)


def set_polls_per_block(monkeypatch: pytest.MonkeyPatch, count: float) -> None:
    for name in ("_POLLS_PER_BLOCK_ALONE", "_POLLS_PER_BLOCK_BESIDE"):
        monkeypatch.setattr(heads_module, name, count)


@pytest.fixture
def polls_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the first head comes over the subscription alone."""
    set_polls_per_block(monkeypatch, 1e-6)


@pytest.fixture
def polls_often(monkeypatch: pytest.MonkeyPatch) -> None:
    set_polls_per_block(monkeypatch, 200)


@pytest.mark.usefixtures("polls_once")
async def test_a_subscription_that_falls_silent_is_made_anew_and_tells_again(
    server: FaultyServer,
) -> None:
    heads, model, told = Heads(), server.node.model, None
    with structlog.testing.capture_logs() as logged:
        async with watching(server, heads, block_time_seconds=0.1) as source:
            server.node.faults.turn_on("subscription_silent")
            model.mine()  # nobody is told of it
            await until_subscribed(server, 2)
            assert heads._waiting == {}
            server.node.faults.clear()
            while told is None:
                model.mine()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        told = await heads.next()
    assert (told.head, told.source) == (ref(server), source)
    (lost, *_) = [line for line in logged if line["event"] == "subscription_lost"]
    assert lost["source"] == server.http_url
    assert lost["error"] == "no head for 1 s"


@pytest.mark.usefixtures("polls_often")
async def test_polling_tells_what_a_silent_subscription_does_not(server: FaultyServer) -> None:
    heads = Heads()
    server.node.faults.turn_on("subscription_silent")
    async with watching(server, heads):
        server.node.model.mine()
        assert (await told_next(heads)).head == ref(server)
        assert server.node.announcements.subscribed == 1


@pytest.mark.usefixtures("polls_often")
async def test_a_head_that_is_announced_twice_and_polled_is_told_once(
    server: FaultyServer,
) -> None:
    heads = Heads()
    server.node.faults.turn_on("head_twice")
    async with watching(server, heads):
        for mined in range(1, 4):
            await until_polled(heads)
            server.node.model.mine()
            assert (await told_next(heads)).head == ref(server)
            await until_polled(heads)
            assert heads._waiting == {}
            assert server.node.faults.injected["head_twice"] == mined


async def until_polled(heads: Heads) -> None:
    """Wait for the end of the next poll."""
    before = heads.polled_at

    async def was_polled() -> bool:
        return heads.polled_at != before

    await wait_for(was_polled, "a poll")


@pytest.mark.usefixtures("polls_once")
async def test_whichever_node_announces_a_head_is_the_one_to_ask_for_it(
    server: FaultyServer,
) -> None:
    """Two nodes on one chain, now the one silent and now the other."""
    heads, node = Heads(), server.node
    other = FaultyNode(node.model)
    async with (
        serve(other) as second,
        watching(server, heads) as first_source,
        watching(second, heads) as second_source,
    ):
        for silent, source in ((other, first_source), (node, second_source)):
            silent.faults.turn_on("subscription_silent")
            node.model.mine()
            told = await told_next(heads)
            assert (told.head, told.source) == (ref(server), source)
            silent.faults.clear()
        node.model.mine()
        both = [await told_next(heads) for _ in range(2)]
    assert {told.source for told in both} == {first_source, second_source}
    assert {told.head for told in both} == {ref(server)}
