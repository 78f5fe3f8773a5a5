"""Every event reaches the endpoints that may see it, and is tried until it is understood."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from oracle_support import Client, Ledger, open_ledger, served, settings_for, until
from standardwebhooks import Webhook, WebhookVerificationError
from webhook_support import (
    Account,
    FakeClock,
    Received,
    Receiver,
    add_account,
    add_order,
    nudge,
    receiving,
    sending,
    write_keys,
)

from ledger.ids import event_id
from ledger.store.accounts import set_enabled
from oracle_api.settings import Settings
from oracle_api.webhooks import sender
from oracle_api.webhooks.lane import ATTEMPTS_AT_ONCE
from oracle_api.webhooks.retries import JITTER, MAX_ATTEMPTS, PAUSES

START = 1_775_808_923.0


class World:
    """A ledger, an oracle with accounts, and one for tills beside it that is open."""

    def __init__(self, ledger: Ledger, settings: Settings, client: Client, till: Client) -> None:
        self.ledger, self.settings, self.client, self.till = ledger, settings, client, till

    async def account(self, role: str = "partner") -> Account:
        return await add_account(self.ledger.connection, self.client, role)

    async def order(self, account: Account | None = None) -> str:
        return await add_order(self.ledger, self.till, account)


@pytest.fixture
async def world(ledger_url: str, tmp_path: Path) -> AsyncIterator[World]:
    more: dict[str, Any] = {
        "webhook_keys_file": write_keys(tmp_path),
        "webhook_allow_private": True,
    }
    settings = settings_for(ledger_url, access="accounts", **more)
    async with (
        open_ledger(ledger_url) as ledger,
        served(settings) as client,
        served(settings_for(ledger_url)) as till,
    ):
        yield World(ledger, settings, client, till)


def answering(*statuses: int, **headers: str) -> Any:
    """Answers one status after the other, the last one for ever."""
    left = list(statuses)

    async def answer(_: Received) -> web.StreamResponse:
        status = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, headers=headers)

    return answer


async def test_an_account_s_events_arrive_signed_and_as_the_journal_has_them(world: World) -> None:
    partner = await world.account()
    async with receiving() as hmac, receiving() as ed25519:
        made = await partner.webhook(hmac.url)
        public = await partner.webhook(ed25519.url, signing="ed25519")
        order_id = await world.order(partner)
        async with sending(world.settings):
            await until(lambda: hmac.received and ed25519.received)
            await world.till.call("POST", f"/api/v1/orders/{order_id}/cancel")
            await until(lambda: len(hmac.received) == len(ed25519.received) == 2)
    assert hmac.types() == ["order.created", "order.cancelled"]
    assert hmac.ids() == ed25519.ids() == [event_id(1), event_id(2)]
    first = hmac.received[0]
    told = Webhook(made["secret"]).verify(first.body, first.headers)
    assert told == first.event
    assert set(told) == {"id", "type", "timestamp", "data"}
    assert (told["id"], told["data"]["orderId"]) == (first.id, order_id)
    assert first.headers["content-type"] == "application/json"
    assert ed25519.received[0].body == first.body
    assert ed25519.received[0].headers["webhook-signature"].startswith("v1a,")
    assert public["secret"] is None
    (log,) = [one for one in await partner.deliveries(made["id"]) if one["eventId"] == first.id]
    assert (log["status"], log["eventType"]) == ("delivered", "order.created")
    assert [(one["number"], one["statusCode"]) for one in log["attempts"]] == [(1, 204)]


async def test_nobody_gets_another_s_orders_and_an_admin_gets_all(world: World) -> None:
    alice, bob, admin = [await world.account(role) for role in ("partner", "partner", "admin")]
    async with receiving() as to_alice, receiving() as to_bob, receiving() as to_admin:
        await alice.webhook(to_alice.url)
        await bob.webhook(to_bob.url)
        # An admin has no key in real life; the endpoint is what matters here.
        await admin.webhook(to_admin.url)
        orders = [await world.order(one) for one in (alice, bob, None, alice)]
        async with sending(world.settings):
            await until(lambda: len(to_admin.received) == 4 and len(to_alice.received) == 2)
            await until(lambda: to_bob.received)
    told = [
        sorted(one.event["data"]["orderId"] for one in receiver.received)
        for receiver in (to_alice, to_bob, to_admin)
    ]
    assert told == [sorted([orders[0], orders[3]]), [orders[1]], sorted(orders)]


async def test_an_account_that_is_disabled_or_no_partner_any_more_gets_nothing(
    world: World,
) -> None:
    alice, bob, carol = [await world.account() for _ in range(3)]
    now, connection = datetime.now(UTC), world.ledger.connection
    async with receiving() as to_alice, receiving() as to_bob, receiving() as to_carol:
        for account, receiver in ((alice, to_alice), (bob, to_bob), (carol, to_carol)):
            await account.webhook(receiver.url)
            await world.order(account)
        await set_enabled(connection, alice.id, is_enabled=False, now=now)
        await connection.execute("UPDATE account SET roles = '{student}' WHERE id = $1", bob.id)
        async with sending(world.settings):
            await until(lambda: to_carol.received)
        assert to_alice.received == to_bob.received == []


async def test_while_access_is_guarded_everybody_s_endpoint_is_nobody_s(world: World) -> None:
    connection = world.ledger.connection
    async with receiving() as receiver, receiving() as other:
        await (await world.account()).webhook(receiver.url)
        await (await world.account("admin")).webhook(other.url)
        await connection.execute(
            "UPDATE webhook_endpoint SET account_id = 'acc_open' WHERE url = $1", receiver.url
        )
        await world.order()
        async with sending(world.settings):
            await until(lambda: other.received)
            assert receiver.received == []
        open_settings = world.settings.model_copy(update={"access": "open"})
        async with sending(open_settings):
            await until(lambda: receiver.received)


async def test_only_the_wanted_types_are_sent(world: World) -> None:
    partner = await world.account()
    async with receiving() as receiver:
        await partner.webhook(receiver.url, eventTypes=["order.cancelled"])
        order_id = await world.order(partner)
        async with sending(world.settings):
            await world.till.call("POST", f"/api/v1/orders/{order_id}/cancel")
            await until(lambda: receiver.received)
    assert receiver.types() == ["order.cancelled"]


async def test_ten_attempts_over_days_then_it_is_given_up(world: World) -> None:
    partner, clock = await world.account(), FakeClock(START)
    async with receiving() as receiver:
        receiver.answer = answering(500)
        webhook = await partner.webhook(receiver.url)
        await world.order(partner)
        async with sending(world.settings, clock=clock):
            for number, pause in enumerate(PAUSES, start=1):
                await until(lambda number=number: len(receiver.received) == number)
                log = await one_attempted(partner, webhook["id"], number)
                due = datetime.fromisoformat(log["nextAttemptAt"]).timestamp() - clock.now
                seconds = pause.total_seconds()
                assert seconds - 0.001 <= due <= seconds * (1 + JITTER), number
                # Not a moment sooner.
                clock.forward(seconds=due - 1)
                await nudge(world.ledger.connection)
                clock.forward(seconds=1.01)
                await nudge(world.ledger.connection)
            await until(lambda: len(receiver.received) == MAX_ATTEMPTS)
            log = await one_attempted(partner, webhook["id"], MAX_ATTEMPTS)
    assert (log["status"], log["nextAttemptAt"]) == ("failed", None)
    assert {one["error"] for one in log["attempts"]} == {"refused"}
    assert len(set(receiver.ids())) == 1
    assert len({one.body for one in receiver.received}) == 1
    # Each attempt is signed anew, for its own time.
    assert len({one.headers["webhook-timestamp"] for one in receiver.received}) == MAX_ATTEMPTS
    found = await partner.read(webhook["id"])
    assert found["enabled"] is True
    assert found["failingSince"] is not None
    assert "every attempt fails" in found["notice"]


async def one_attempted(partner: Account, webhook_id: str, count: int) -> Any:
    """The only delivery, once so many attempts are written down."""
    async with asyncio.timeout(20):
        while True:
            for log in await partner.deliveries(webhook_id):
                if len(log["attempts"]) == count:
                    return log
            await asyncio.sleep(0.005)


async def test_an_endpoint_that_fails_for_days_is_disabled_and_can_be_caught_up(
    world: World,
) -> None:
    partner, clock = await world.account(), FakeClock(START)
    async with receiving() as receiver:
        receiver.answer = answering(500, 500, 204)
        webhook = await partner.webhook(receiver.url)
        first = await world.order(partner)
        async with sending(world.settings, clock=clock):
            await until(lambda: len(receiver.received) == 1)
            await one_attempted(partner, webhook["id"], 1)
            clock.forward(days=5)
            await nudge(world.ledger.connection)
            await one_attempted(partner, webhook["id"], 2)
            found = await partner.read(webhook["id"])
            assert (found["enabled"], found["disabledReason"]) == (False, "failing")
            assert "five days" in found["notice"]
            second = await world.order(partner)
            clock.forward(days=1)
            await nudge(world.ledger.connection)
            status, problem, _ = await partner.call("POST", f"/{webhook['id']}/test")
            assert (status, problem["code"]) == (409, "webhook_disabled")
            # Nothing more until the partner says so; what was missed comes by a replay.
            assert len(receiver.received) == 2
            await partner.call("PATCH", f"/{webhook['id']}", json={"enabled": True})
            since = {"from": event_id(1)}
            status, replayed, _ = await partner.call("POST", f"/{webhook['id']}/replay", json=since)
            assert (status, replayed["events"]) == (202, 2)
            clock.forward(days=365 * 10)
            await nudge(world.ledger.connection)
            await until(lambda: orders_told(receiver)[2:].count(second))
            await until(lambda: orders_told(receiver)[2:].count(first))
    assert orders_told(receiver)[:2] == [first, first]
    found = await partner.read(webhook["id"])
    assert (found["enabled"], found["failingSince"], found["notice"]) == (True, None, None)


def orders_told(receiver: Receiver) -> list[str]:
    return [one.event["data"]["orderId"] for one in receiver.received]


async def test_gone_disables_at_once(world: World) -> None:
    partner = await world.account()
    async with receiving() as receiver:
        receiver.answer = answering(410)
        webhook = await partner.webhook(receiver.url)
        await world.order(partner)
        async with sending(world.settings):
            log = await one_attempted(partner, webhook["id"], 1)
    assert log["status"] == "failed"
    found = await partner.read(webhook["id"])
    assert (found["enabled"], found["disabledReason"]) == (False, "gone")
    assert "410" in found["notice"]


async def test_a_redirect_is_a_failure_and_is_not_followed(world: World) -> None:
    partner = await world.account()
    async with receiving() as receiver, receiving() as elsewhere:
        receiver.answer = answering(307, Location=elsewhere.url)
        webhook = await partner.webhook(receiver.url)
        await world.order(partner)
        async with sending(world.settings):
            log = await one_attempted(partner, webhook["id"], 1)
        assert elsewhere.received == []
    attempt = log["attempts"][0]
    assert (log["status"], attempt["statusCode"], attempt["error"]) == ("pending", 307, "redirect")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("600", timedelta(minutes=10)),
        ("1", PAUSES[0]),
        ("99999999999999999999", timedelta(hours=24)),
        ("soon", PAUSES[0]),
    ],
)
async def test_retry_after_is_honoured_within_limits(
    world: World, asked: str, expected: timedelta
) -> None:
    partner, clock = await world.account(), FakeClock(START)
    async with receiving() as receiver:
        receiver.answer = answering(429, **{"Retry-After": asked})
        webhook = await partner.webhook(receiver.url)
        await world.order(partner)
        async with sending(world.settings, clock=clock):
            log = await one_attempted(partner, webhook["id"], 1)
    due = datetime.fromisoformat(log["nextAttemptAt"]).timestamp() - START
    assert expected.total_seconds() - 0.001 <= due <= expected.total_seconds() * (1 + JITTER)


async def test_a_hanging_endpoint_delays_no_other_and_gets_few_at_once(world: World) -> None:
    slow, quick = await world.account(), await world.account()
    never = asyncio.Event()

    async def hang(_: Received) -> web.StreamResponse:
        await never.wait()
        return web.Response(status=204)

    async with receiving() as hanging, receiving() as willing:
        hanging.answer = hang
        await slow.webhook(hanging.url)
        await quick.webhook(willing.url)
        for _ in range(8):
            await world.order(slow)
        told = {await world.order(quick) for _ in range(8)}
        async with sending(world.settings):
            await until(lambda: hanging.at_work == ATTEMPTS_AT_ONCE)
            await until(lambda: {one.event["data"]["orderId"] for one in willing.received} == told)
            assert hanging.most_at_work == ATTEMPTS_AT_ONCE
            never.set()
            await until(lambda: len(hanging.received) == 8)
    assert hanging.most_at_work == ATTEMPTS_AT_ONCE


async def test_what_takes_too_long_or_never_ends_is_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TOTAL_TIMEOUT_SECONDS", 3.0)
    partner = await world.account()

    async def hang(_: Received) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError("nobody waited that long")

    async def flood(_: Received) -> web.StreamResponse:
        return web.Response(body=b"x" * 50_000_000)

    async with receiving() as silent, receiving() as endless:
        silent.answer, endless.answer = hang, flood
        webhooks = [await partner.webhook(one.url) for one in (silent, endless)]
        await world.order(partner)
        async with sending(world.settings):
            slow, long = [await one_attempted(partner, one["id"], 1) for one in webhooks]
    assert (slow["status"], slow["attempts"][0]["error"]) == ("pending", "timeout")
    # What it says after its status nobody reads.
    assert (long["status"], long["attempts"][0]["statusCode"]) == ("delivered", 200)


async def test_nobody_there_is_a_failure_with_a_name(world: World) -> None:
    partner = await world.account()
    urls = {
        "http://127.0.0.1:1/": "connect_failed",
        "http://nobody.invalid/": "name_unknown",
    }
    webhooks = {url: await partner.webhook(url) for url in urls}
    async with receiving() as receiver:
        encrypted = receiver.url.replace("http:", "https:")
        webhooks[encrypted] = await partner.webhook(encrypted)
        urls[encrypted] = "tls_failed"
        await world.order(partner)
        async with sending(world.settings):
            for url, webhook in webhooks.items():
                log = await one_attempted(partner, webhook["id"], 1)
                assert log["attempts"][0]["error"] == urls[url], url


async def test_after_a_rotation_both_secrets_sign_and_later_only_the_new_one(world: World) -> None:
    partner = await world.account()
    loop_time = FakeClock(datetime.now(UTC).timestamp())
    async with receiving() as receiver, served(world.settings, clock=loop_time) as client:
        partner = Account(partner.id, partner.key, client)
        made = await partner.webhook(receiver.url)
        status, rotated, _ = await partner.call(
            "POST", f"/{made['id']}/rotate-secret", json={"overlapHours": 2}
        )
        assert status == 200
        assert [one["expiresAt"] is None for one in rotated["secrets"]] == [True, False]
        async with sending(world.settings, clock=loop_time):
            await world.order(partner)
            await partner.call("POST", f"/{made['id']}/test")
            await until(lambda: len(receiver.received) == 2)
            during = receiver.received[0]
            loop_time.forward(hours=2)
            await partner.call("POST", f"/{made['id']}/test")
            await until(lambda: len(receiver.received) == 3)
    assert len(set(receiver.ids())) == 3
    assert receiver.types()[2] == "webhook.ping"
    old, new = Webhook(made["secret"]), Webhook(rotated["secret"])
    old.verify(during.body, during.headers)
    new.verify(during.body, during.headers)
    assert len(during.headers["webhook-signature"].split()) == 2
    after = receiver.received[-1]
    moment = datetime.fromtimestamp(int(after.headers["webhook-timestamp"]), UTC)
    (signature,) = after.headers["webhook-signature"].split()
    assert signature == new.sign(after.id, moment, after.body.decode())
    assert signature != old.sign(after.id, moment, after.body.decode())
    (left,) = (await Account(partner.id, partner.key, world.client).read(made["id"]))["secrets"][:1]
    assert left["expiresAt"] is None


async def test_without_an_overlap_the_old_secret_ends_at_once(world: World) -> None:
    partner = await world.account()
    async with receiving() as receiver:
        made = await partner.webhook(receiver.url)
        # Even when an overlap was under way.
        await partner.call("POST", f"/{made['id']}/rotate-secret")
        _, rotated, _ = await partner.call(
            "POST", f"/{made['id']}/rotate-secret", json={"overlapHours": 0, "signing": "ed25519"}
        )
        assert [one["signing"] for one in rotated["secrets"]] == ["ed25519"]
        await partner.call("POST", f"/{made['id']}/test")
        async with sending(world.settings):
            await until(lambda: receiver.received)
    (ping,) = receiver.received
    assert ping.headers["webhook-signature"].startswith("v1a,")
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(ping.body, ping.headers)


async def test_a_ping_means_nothing_and_comes_whatever_the_filter(world: World) -> None:
    partner = await world.account()
    async with receiving() as receiver:
        made = await partner.webhook(receiver.url, eventTypes=["order.paid"])
        status, ping, _ = await partner.call("POST", f"/{made['id']}/test")
        assert (status, ping["status"], ping["eventType"]) == (202, "pending", "webhook.ping")
        async with sending(world.settings):
            await until(lambda: receiver.received)
    (received,) = receiver.received
    assert received.id == ping["eventId"] == received.event["id"]
    assert received.event["data"] == {"deliveryId": ping["id"]}
    Webhook(made["secret"]).verify(received.body, received.headers)


async def test_a_delivery_is_sent_again_when_asked_for(world: World) -> None:
    partner = await world.account()
    async with receiving() as receiver:
        made = await partner.webhook(receiver.url)
        await world.order(partner)
        async with sending(world.settings):
            log = await one_attempted(partner, made["id"], 1)
            path = f"/{made['id']}/deliveries/{log['id']}/redeliver"
            status, again, _ = await partner.call("POST", path)
            assert (status, again["id"]) == (202, log["id"])
            log = await one_attempted(partner, made["id"], 2)
    assert log["status"] == "delivered"
    assert receiver.ids() == [event_id(1)] * 2
    assert receiver.received[0].body == receiver.received[1].body


async def test_a_range_is_replayed_by_ids_and_by_times(world: World) -> None:
    partner, other = await world.account(), await world.account()
    async with receiving() as receiver:
        made = await partner.webhook(receiver.url)
        for owner in (partner, other, partner, partner):
            await world.order(owner)
        times = await world.ledger.connection.fetch("SELECT created_at FROM event ORDER BY seq")
        moments = [row[0].isoformat().replace("+00:00", "Z") for row in times]
        async with sending(world.settings):
            await until(lambda: len(receiver.received) == 3)
            expected = 3
            for wanted, count in (
                ({"from": event_id(1), "to": event_id(3)}, 2),
                ({"from": event_id(2), "to": event_id(2)}, 0),
                ({"from": moments[2]}, 2),
                ({"from": moments[0], "to": moments[0]}, 1),
                ({"from": "2099-01-01T00:00:00Z"}, 0),
                ({"from": event_id(4), "to": event_id(999)}, 1),
            ):
                status, replayed, _ = await partner.call(
                    "POST", f"/{made['id']}/replay", json=wanted
                )
                assert (status, replayed["events"]) == (202, count), wanted
                expected += count
                await until(lambda expected=expected: len(receiver.received) == expected)
    assert set(receiver.ids()) == {event_id(number) for number in (1, 3, 4)}


async def test_two_processes_share_the_work_and_send_nothing_twice(world: World) -> None:
    partner = await world.account()
    async with receiving() as one, receiving() as two:
        for receiver in (one, two):
            await partner.webhook(receiver.url)
        for _ in range(20):
            await world.order(partner)
        async with sending(world.settings), sending(world.settings):
            await until(lambda: len(one.received) == len(two.received) == 20)
            await partner.call("POST", f"/{(await partner.webhook(one.url))['id']}/test")
            await until(lambda: len(one.received) == 21)
    for receiver in (one, two):
        assert len(set(receiver.ids())) == len(receiver.received)
