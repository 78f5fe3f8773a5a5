"""Webhooks belong to their account, their secrets to nobody, and what is malformed is refused."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from oracle_support import Client, Ledger, served, settings_for, until
from webhook_support import Account, add_account, receiving, sending, write_keys

from ledger.ids import event_id
from ledger.store.webhooks import list_secrets
from oracle_api.access.keyring import KEY_BYTES, Keyring
from oracle_api.database import Database
from oracle_api.jobs.work import JobContext
from oracle_api.settings import Settings
from oracle_api.webhooks import again, work
from oracle_api.webhooks.service import MAX_ENDPOINTS

URL = "https://shop.example/billcoin"


@pytest.fixture
def settings(ledger_url: str, tmp_path: Path) -> Settings:
    keys = write_keys(tmp_path)
    return settings_for(ledger_url, access="accounts", webhook_keys_file=keys)


@pytest.fixture
async def client(ledger: Ledger, settings: Settings) -> AsyncIterator[Client]:
    async with served(settings) as client:
        assert ledger.tip
        yield client


async def test_an_endpoint_is_made_read_changed_listed_and_deleted(
    ledger: Ledger, client: Client
) -> None:
    partner = await add_account(ledger.connection, client)
    status, made, headers = await partner.call(
        "POST", json={"url": URL, "eventTypes": ["order.paid", "order.paid"], "description": "x"}
    )
    assert (status, headers["location"]) == (201, f"/api/v1/webhooks/{made['id']}")
    assert headers["cache-control"] == "no-store"
    assert made["secret"].startswith("whsec_")
    assert (made["accountId"], made["eventTypes"]) == (partner.id, ["order.paid"])
    found = await partner.read(made["id"])
    # The secret is told once.
    told_once = {"secret", "secretWithheld"}
    assert found == {name: value for name, value in made.items() if name not in told_once}
    status, changed, _ = await partner.call(
        "PATCH", f"/{made['id']}", json={"eventTypes": [], "description": None, "enabled": False}
    )
    assert status == 200
    assert changed == found | {
        "eventTypes": [],
        "description": None,
        "enabled": False,
        "disabledReason": "by_owner",
        "disabledAt": changed["disabledAt"],
        "notice": changed["notice"],
    }
    _, listed, _ = await partner.call("GET")
    assert listed == {"data": [changed], "hasMore": False, "next": None}
    assert (await partner.call("DELETE", f"/{made['id']}"))[0] == 204
    status, problem, _ = await partner.call("GET", f"/{made['id']}")
    assert (status, problem["code"]) == (404, "webhook_not_found")


async def test_lists_come_in_pages(ledger: Ledger, client: Client) -> None:
    partner = await add_account(ledger.connection, client)
    made = [(await partner.webhook(URL))["id"] for _ in range(3)]
    _, first, _ = await partner.call("GET", "?limit=2")
    assert (first["hasMore"], len(first["data"])) == (True, 2)
    _, second, _ = await partner.call("GET", f"?limit=2&before={first['next']}")
    assert [one["id"] for one in first["data"] + second["data"]] == sorted(made, reverse=True)
    assert second["hasMore"] is False


async def test_another_account_s_webhook_is_as_good_as_none(ledger: Ledger, client: Client) -> None:
    alice, mallory, admin = [
        await add_account(ledger.connection, client, role)
        for role in ("partner", "partner", "admin")
    ]
    made = await alice.webhook(URL)
    _, ping, _ = await alice.call("POST", f"/{made['id']}/test")
    own = await mallory.webhook(URL)
    attempts: list[tuple[str, str, Any]] = [
        ("GET", f"/{made['id']}", None),
        ("PATCH", f"/{made['id']}", {"url": "https://evil.example/"}),
        ("PATCH", f"/{made['id']}", {"enabled": False}),
        ("DELETE", f"/{made['id']}", None),
        ("POST", f"/{made['id']}/rotate-secret", {}),
        ("POST", f"/{made['id']}/test", None),
        ("POST", f"/{made['id']}/replay", {"from": event_id(1)}),
        ("GET", f"/{made['id']}/deliveries", None),
        ("POST", f"/{made['id']}/deliveries/{ping['id']}/redeliver", None),
    ]
    before = await alice.read(made["id"])
    for method, path, body in attempts:
        status, problem, _ = await mallory.call(method, path, json=body)
        assert (status, problem["code"]) == (404, "webhook_not_found"), (method, path)
        unknown = path.replace(made["id"], "whe_" + "0" * 26)
        status, same, _ = await mallory.call(method, unknown, json=body)
        assert (status, same["code"], same["detail"]) == (404, problem["code"], problem["detail"])
    # Nor through an endpoint of one's own, to a delivery that is another's.
    path = f"/{own['id']}/deliveries/{ping['id']}/redeliver"
    status, problem, _ = await mallory.call("POST", path)
    assert (status, problem["code"]) == (404, "delivery_not_found")
    page = await mallory.deliveries(own["id"], f"?before={ping['id']}")
    assert page == []
    assert [one["id"] for one in (await mallory.call("GET"))[1]["data"]] == [own["id"]]
    assert await alice.read(made["id"]) == before
    # Whoever looks after everybody's sees them, though no secret.
    found = await admin.read(made["id"])
    assert "secret" not in found
    assert len((await admin.call("GET"))[1]["data"]) == 2


@pytest.mark.parametrize("role", ["student", "till", "finance", "auditor"])
async def test_webhooks_are_for_partners_and_admins(
    ledger: Ledger, client: Client, role: str
) -> None:
    connection = ledger.connection
    account = await add_account(connection, client)
    await connection.execute(
        "UPDATE account SET roles = ARRAY[$2], store_id = 'cafeteria' WHERE id = $1",
        account.id,
        role,
    )
    status, problem, _ = await account.call("POST", json={"url": URL})
    assert (status, problem["code"]) == (403, "role_missing")


async def test_an_account_has_ten_even_when_it_asks_for_all_at_once(
    ledger: Ledger, client: Client
) -> None:
    partner = await add_account(ledger.connection, client)
    answers = await asyncio.gather(
        *(partner.call("POST", json={"url": URL}) for _ in range(MAX_ENDPOINTS + 5))
    )
    assert [status for status, _, _ in answers].count(201) == MAX_ENDPOINTS
    refused = {body["code"] for status, body, _ in answers if status != 201}
    assert refused == {"webhook_limit"}
    other = await add_account(ledger.connection, client)
    await other.webhook(URL)


MALFORMED: list[tuple[Any, str, str | None]] = [
    ({}, "field_missing", "url"),
    ({"url": ""}, "parameter_invalid", "url"),
    ({"url": 5}, "parameter_invalid", "url"),
    ({"url": "https://shop.example/" + "x" * 2_048}, "parameter_invalid", "url"),
    ({"url": "http://shop.example/"}, "webhook_url_invalid", "url"),
    ({"url": "https://user:password@shop.example/"}, "webhook_url_invalid", "url"),
    ({"url": "https://127.0.0.1/"}, "webhook_url_invalid", "url"),
    ({"url": URL, "eventTypes": ["order.eaten"]}, "event_type_unknown", "eventTypes"),
    ({"url": URL, "eventTypes": ["order.paid"] * 51}, "parameter_invalid", "eventTypes"),
    ({"url": URL, "eventTypes": "order.paid"}, "parameter_invalid", "eventTypes"),
    ({"url": URL, "description": "x" * 201}, "parameter_invalid", "description"),
    ({"url": URL, "description": "a\u0000b"}, "parameter_invalid", "description"),
    ({"url": URL, "signing": "rot13"}, "parameter_invalid", "signing"),
    ({"url": URL, "secret": "whsec_mine"}, "field_unknown", "secret"),
    ({"url": URL, "accountId": "acc_other"}, "field_unknown", "accountId"),
]


async def test_every_malformed_request_is_refused(ledger: Ledger, client: Client) -> None:
    partner = await add_account(ledger.connection, client)
    for body, code, param in MALFORMED:
        status, problem, _ = await partner.call("POST", json=body)
        assert (status, problem["code"], problem["param"]) == (400, code, param), body
    status, problem, _ = await partner.call("POST", data=b"x" * 70_000)
    assert (status, problem["code"]) == (413, "body_too_large")
    made = await partner.webhook(URL)
    one = f"/{made['id']}"
    wrong: list[tuple[str, str, Any, str]] = [
        ("PATCH", one, {"url": "https://10.0.0.1/"}, "webhook_url_invalid"),
        ("PATCH", one, {"eventTypes": ["x"]}, "event_type_unknown"),
        ("PATCH", one, {"cursor": 0}, "field_unknown"),
        ("POST", f"{one}/rotate-secret", {"overlapHours": 169}, "parameter_invalid"),
        ("POST", f"{one}/rotate-secret", {"overlapHours": -1}, "parameter_invalid"),
        ("POST", f"{one}/replay", {}, "field_missing"),
        ("POST", f"{one}/replay", {"from": "yesterday"}, "replay_range_invalid"),
        ("POST", f"{one}/replay", {"from": "2026-13-45T00:00:00Z"}, "replay_range_invalid"),
        ("POST", f"{one}/replay", {"from": "0001-01-01T00:00:00+14:00"}, "replay_range_invalid"),
        (
            "POST",
            f"{one}/replay",
            {"from": event_id(5), "to": event_id(3)},
            "replay_range_invalid",
        ),
        ("POST", f"{one}/replay", {"from": event_id(2), "to": event_id(1)}, "replay_range_invalid"),
        (
            "POST",
            f"{one}/replay",
            {"from": "2026-04-10T08:15:23Z", "to": "2020-01-01T00:00:00Z"},
            "replay_range_invalid",
        ),
        ("GET", f"{one}/deliveries?status=lost", None, "status_unknown"),
        ("GET", f"{one}/deliveries?limit=0", None, "limit_invalid"),
        ("GET", f"{one}/deliveries?before=whd_x", None, "before_invalid"),
    ]
    for method, path, body, code in wrong:
        status, problem, _ = await partner.call(method, path, json=body)
        assert (status, problem["code"]) == (400, code), (path, body)


@pytest.mark.parametrize("start", [2**16, 2**63 - 1, 2**63, 2**64 - 1])
async def test_a_replay_from_an_event_that_is_none_yet_sends_nothing(
    ledger: Ledger, client: Client, start: int
) -> None:
    """Also with more digits than the journal has: it was a 500."""
    partner = await add_account(ledger.connection, client)
    made = await partner.webhook(URL)
    path = f"/{made['id']}/replay"
    status, answer, _ = await partner.call("POST", path, json={"from": event_id(start)})
    assert (status, answer.get("events")) == (202, 0), answer


async def test_a_replay_has_a_limit(
    ledger: Ledger, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "MAX_REPLAY_EVENTS", 2)
    partner = await add_account(ledger.connection, client)
    async with served(settings_for(ledger.url)) as till:
        for _ in range(3):
            await till.order()
    await ledger.connection.execute("UPDATE orders SET account_id = $1", partner.id)
    made = await partner.webhook(URL)
    path = f"/{made['id']}/replay"
    status, problem, _ = await partner.call("POST", path, json={"from": event_id(1)})
    assert (status, problem["code"]) == (400, "replay_too_large")
    status, replayed, _ = await partner.call("POST", path, json={"from": event_id(2)})
    assert (status, replayed["events"]) == (202, 2)


async def test_the_log_is_read_in_pages_and_by_status(
    ledger: Ledger, settings: Settings, client: Client
) -> None:
    partner = await add_account(ledger.connection, client)
    async with receiving() as receiver:
        made = await partner.webhook(URL)
        await ledger.connection.execute("UPDATE webhook_endpoint SET url = $1", receiver.url)
        pings = [(await partner.call("POST", f"/{made['id']}/test"))[1]["id"] for _ in range(3)]
        assert await partner.deliveries(made["id"], "?status=delivered") == []
        async with sending(settings):
            await until(lambda: len(receiver.received) == 3)
            async with asyncio.timeout(20):
                # Another task sets no event.
                while len(await partner.deliveries(made["id"], "?status=delivered")) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    _, first, _ = await partner.call("GET", f"/{made['id']}/deliveries?limit=2")
    _, second, _ = await partner.call(
        "GET", f"/{made['id']}/deliveries?limit=2&before={first['next']}"
    )
    assert [one["id"] for one in first["data"] + second["data"]] == pings[::-1]
    assert second["hasMore"] is False


async def test_without_keys_there_are_no_webhooks(ledger: Ledger) -> None:
    async with served(settings_for(ledger.url, access="accounts")) as client:
        partner = await add_account(ledger.connection, client)
        status, problem, _ = await partner.call("POST", json={"url": URL})
        assert (status, problem["code"]) == (501, "webhooks_off")


async def test_secrets_are_stored_encrypted_and_move_to_the_newest_key(
    ledger: Ledger, settings: Settings, client: Client, tmp_path: Path
) -> None:
    partner = await add_account(ledger.connection, client)
    made = await partner.webhook(URL)
    rows = await list_secrets(ledger.connection, after_id="", limit=9)
    dump = await ledger.connection.fetch("SELECT s::text FROM webhook_secret s")
    assert made["secret"] not in str(dump)
    assert settings.webhook_keyring is not None
    assert settings.webhook_keyring.is_current(rows[0].sealed)
    await partner.call("POST", f"/{made['id']}/rotate-secret", json={"overlapHours": 0})
    keys = settings.webhook_keys_file
    assert keys is not None
    newer = tmp_path / "newer"
    old_line = keys.read_text()
    newer.write_text("2027 " + "bm5u" * 10 + "bm4=\n" + old_line)
    newer.chmod(0o600)
    rotated = settings_for(ledger.url, access="accounts", webhook_keys_file=newer)
    database = Database(ledger.url, rotated.deployment)
    await database.open()
    await work.forget_old_webhooks(JobContext(rotated, database, time.time))
    await database.close()
    (row,) = await list_secrets(ledger.connection, after_id="", limit=9)
    assert rotated.webhook_keyring is not None
    assert rotated.webhook_keyring.is_current(row.sealed)
    only_new = Keyring({"2027": b"n" * KEY_BYTES})
    assert only_new.is_current(row.sealed)


async def test_a_lost_key_keeps_nobody_from_rotating(
    ledger: Ledger, client: Client, tmp_path: Path
) -> None:
    partner = await add_account(ledger.connection, client)
    made = await partner.webhook(URL)
    lost = settings_for(
        ledger.url, access="accounts", webhook_keys_file=write_keys(tmp_path, "another")
    )
    async with served(lost) as other:
        partner = Account(partner.id, partner.key, other)
        assert (await partner.read(made["id"]))["secrets"][0]["publicKey"] is None
        status, rotated, _ = await partner.call("POST", f"/{made['id']}/rotate-secret")
    assert status == 200
    assert rotated["secret"].startswith("whsec_")


async def test_the_log_is_kept_for_a_month(
    ledger: Ledger, settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "DELIVERIES_AT_ONCE", 2)
    partner = await add_account(ledger.connection, client)
    made = await partner.webhook(URL)
    for _ in range(5):
        await partner.call("POST", f"/{made['id']}/test")
    database = Database(ledger.url, settings.deployment)
    await database.open()
    for days, left in ((29, 5), (31, 0)):
        later = time.time() + days * 86_400
        await work.forget_old_webhooks(JobContext(settings, database, lambda later=later: later))
        assert len(await partner.deliveries(made["id"])) == left
    await database.close()


async def test_what_is_done_to_webhooks_is_in_the_audit_log_without_secrets(
    ledger: Ledger, client: Client
) -> None:
    partner = await add_account(ledger.connection, client)
    made = await partner.webhook(URL)
    await partner.call("POST", f"/{made['id']}/rotate-secret")
    await partner.call("DELETE", f"/{made['id']}")
    rows = await ledger.connection.fetch(
        "SELECT actor, action, subject, details FROM audit_entry ORDER BY seq"
    )
    assert [row["action"] for row in rows] == [
        "webhook.created",
        "webhook.secret_rotated",
        "webhook.deleted",
    ]
    assert {row["actor"] for row in rows} == {partner.id}
    assert {row["subject"] for row in rows} == {made["id"]}
    assert "whsec_" not in str([dict(row) for row in rows])
