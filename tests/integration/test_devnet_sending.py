"""What a client loses is sent again while somebody waits for it; whatever it says harms nobody."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from relay_proxy import Trouble, open_proxy

from devnet import node as node_module
from devnet.anvil import Chain
from devnet.dev_accounts import dev_account
from devnet.node import open_node
from devnet.transactions import Message, send_in_order
from ledger.errors import LedgerError, TransientError


async def test_lost_transactions_are_sent_again_in_their_order_and_land_once(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "_RESEND_SECONDS", 0.1)
    sender = dev_account(0)
    messages = [Message(b"\x42" * 20, value_wei=wei) for wei in (1, 2, 3)]
    async with open_proxy() as proxy:
        proxy.target = chain.http_url
        async with open_node(proxy.url) as node:
            before = await node.quantity("eth_getTransactionCount", sender.address, "latest")
            # All three are gone; waiting for the last one alone brings them back.
            proxy.make(Trouble.LOSES, times=3)
            hashes = await send_in_order(node, sender, messages, chain_id=chain.chain_id)
            receipt = await node.receipt(hashes[-1])
            assert receipt.succeeded
            for tx_hash in hashes:
                assert (await node.receipt(tx_hash)).tx_hash == tx_hash
            after = await node.quantity("eth_getTransactionCount", sender.address, "latest")
    assert after == before + len(messages)
    assert proxy.sent[:3] == proxy.sent[3:6]


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32000, "message": "\x1b[2Jpaid\r\n" + "a" * 100_000}},
        {"error": {"code": 3, "message": "\x1b]0;paid\x07 revert" + "a" * 100_000}},
        {"error": "\x1b[2Jpaid"},
        {"error": {"message": None}},
        ["\x1b[2Jpaid"],
    ],
)
async def test_a_node_s_words_give_no_terminal_an_order_and_no_flood(answer: Any) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response(answer)

    served = web.Application()
    served.router.add_post("/", handle)
    async with TestServer(served) as server, open_node(str(server.make_url("/"))) as node:
        with pytest.raises(LedgerError) as refused:
            await node.call("eth_call", {}, "latest")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


async def test_a_node_that_hangs_up_is_asked_again_what_only_reads() -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((await request.json())["method"])
        if len(asked) % 2:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"result": "0x7"})

    served = web.Application()
    served.router.add_post("/", handle)
    async with TestServer(served) as server, open_node(str(server.make_url("/"))) as node:
        assert await node.quantity("eth_blockNumber") == 7
        for method in ("eth_sendRawTransaction", "eth_sendTransaction", "evm_mine"):
            asked.clear()
            with pytest.raises(TransientError):
                await node.call(method)
            assert asked == [method]
