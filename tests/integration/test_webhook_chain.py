"""A payment on a real chain, and its reversal, reach the partner whose order it pays."""

import uuid
from pathlib import Path

from market import indexing, open_market
from oracle_support import served, settings_for, until, until_journal_is_read
from standardwebhooks import Webhook
from webhook_support import add_account, receiving, sending, write_keys

from ledger.payment_uri import parse_address
from ledger.store.pool import connect


async def test_a_partner_is_told_paid_reversed_and_paid_again(
    ledger_url: str, tmp_path: Path
) -> None:
    async with open_market(ledger_url) as market:
        settings = settings_for(
            ledger_url,
            market.manifest.deployment,
            access="accounts",
            webhook_keys_file=write_keys(tmp_path),
            webhook_allow_private=True,
        )
        connection = await connect(ledger_url, application_name="test")
        async with (
            indexing(market),
            served(settings) as client,
            receiving() as receiver,
            receiving() as to_other,
        ):
            await market.until_tip()
            await until_journal_is_read(client)
            async with sending(settings):
                partner, other = [await add_account(connection, client) for _ in range(2)]
                webhook = await partner.webhook(receiver.url)
                await other.webhook(to_other.url)
                status, order, _ = await client.call(
                    "POST",
                    "/api/v1/orders",
                    json={"amountMyr": "1.80"},
                    headers={
                        "Authorization": f"Bearer {partner.key}",
                        "Idempotency-Key": str(uuid.uuid4()),
                    },
                )
                assert status == 201, order
                address = parse_address(order["orderAddress"], param="orderAddress")
                await until(lambda: receiver.types() == ["order.created"])
                await market.pay(address, int(order["amountDueUnits"]))
                await until(lambda: "order.paid" in receiver.types())
                await market.reorg(1)
                await until(lambda: "order.reversed" in receiver.types())
                assert to_other.received == []
        await connection.close()
    for one in receiver.received:
        told = Webhook(webhook["secret"]).verify(one.body, one.headers)
        assert told["data"]["orderId"] == order["id"]
    paid = next(one.event for one in receiver.received if one.event["type"] == "order.paid")
    assert paid["data"]["payment"]["blockNumber"] > 0
    assert paid["data"]["amountReceived"] == order["amountDue"]
