"""`kill -9` of the process that sends loses no delivery, and changes no id."""

import asyncio
import signal
from pathlib import Path

from aiohttp import web
from oracle_support import open_ledger, served, settings_for, until
from standardwebhooks import Webhook
from webhook_support import (
    WEBHOOKS,
    Received,
    add_account,
    add_order,
    receiving,
    start_jobs,
    write_keys,
)

from ledger.ids import event_id

ORDERS = 30
SENDERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'billcoin-jobs-webhooks'
"""


async def test_killed_in_the_middle_of_deliveries_nothing_is_lost_and_ids_are_stable(
    ledger_url: str, tmp_path: Path
) -> None:
    keys = write_keys(tmp_path)
    settings = settings_for(
        ledger_url, access="accounts", webhook_keys_file=keys, webhook_allow_private=True
    )
    held = asyncio.Event()

    async def hold_after_some(_: Received) -> web.StreamResponse:
        # What comes after the tenth has no answer yet when the process dies.
        if len(receiver.received) > 10:
            await held.wait()
        return web.Response(status=204)

    async with (
        open_ledger(ledger_url) as ledger,
        served(settings) as client,
        served(settings_for(ledger_url)) as till,
        receiving() as receiver,
    ):
        receiver.answer = hold_after_some
        partner = await add_account(ledger.connection, client)
        webhook = await partner.webhook(receiver.url)
        for _ in range(ORDERS):
            await add_order(ledger, till, partner)
        jobs = await start_jobs(ledger, keys, allow_private=True)
        await until(lambda: len(receiver.received) == 14)
        # Another one waits beside it: the lane is not free.
        beside = await start_jobs(ledger, keys, allow_private=True)
        async with asyncio.timeout(30):
            # Another process sets no event.
            while await ledger.connection.fetchval(SENDERS) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        jobs.send_signal(signal.SIGKILL)
        assert await jobs.wait() == -signal.SIGKILL
        assert len(receiver.received) == 14
        held.set()
        # It takes the lane over; nobody restarted anything.
        expected = {event_id(number) for number in range(1, ORDERS + 1)}
        await until(lambda: set(receiver.ids()) == expected)
        beside.send_signal(signal.SIGTERM)
        assert await beside.wait() == 0
        found = await client.call(
            "GET",
            f"{WEBHOOKS}/{webhook['id']}/deliveries?limit=100",
            headers={"Authorization": f"Bearer {partner.key}"},
        )
    assert {one["status"] for one in found[1]["data"]} == {"delivered"}
    # At least once: at most what was under way when it died came a second time, word for word.
    assert ORDERS <= len(receiver.received) <= ORDERS + 4
    bodies: dict[str, set[bytes]] = {}
    for one in receiver.received:
        Webhook(webhook["secret"]).verify(one.body, one.headers)
        bodies.setdefault(one.id, set()).add(one.body)
    assert all(len(texts) == 1 for texts in bodies.values())
