"""What a client loses of what was sent is sent again while somebody waits for it."""

import pytest
from relay_proxy import Trouble, open_proxy

from devnet import node as node_module
from devnet.anvil import Chain
from devnet.dev_accounts import dev_account
from devnet.node import open_node
from devnet.transactions import Message, send_in_order


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
