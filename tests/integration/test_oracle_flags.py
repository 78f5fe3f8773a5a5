"""Who asks too often is slowed down, who keeps failing is flagged, and the operators hear of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from account_support import signed_in
from aiohttp import web
from aiohttp.test_utils import TestServer
from oracle_support import Client, Ledger, Pay, served, settings_for, tx

from ledger.store.audit_log import read_audit_page
from oracle_api.access.principal import Role
from oracle_api.database import Database
from oracle_api.jobs import process
from oracle_api.jobs.process import JobsProcess
from oracle_api.jobs.registry import WORK
from oracle_api.jobs.work import JobContext

VALIDATE = "/api/v1/payments/validate"
FLAGS = "/api/v1/flags"
Headers = dict[str, str]


@pytest.fixture
async def guarded(ledger: Ledger) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url, access="accounts")) as client:
        yield client


async def ask(
    client: Client, headers: Headers | None = None, name: object = "nothing"
) -> tuple[int, Any, Headers]:
    body = {"txHash": "0x" + tx(name).hex(), "expectedAmount": "0.25"}
    return await client.call("POST", VALIDATE, json=body, headers=headers)


async def account(client: Client, ledger: Ledger, *roles: Role) -> tuple[str, Headers]:
    store_id = "cafeteria" if Role.TILL in roles else None
    return await signed_in(client, ledger.connection, *roles, store_id=store_id)


async def until_flagged(client: Client, admin: Headers, count: int = 1) -> list[Any]:
    async with asyncio.timeout(20):
        while True:
            _, page, _ = await client.call("GET", FLAGS, headers=admin)
            if len(page["data"]) >= count:
                return list(page["data"])
            await asyncio.sleep(0.02)


async def test_a_student_has_ten_attempts_within_a_minute(guarded: Client, ledger: Ledger) -> None:
    _, student = await account(guarded, ledger, Role.STUDENT)
    answers = await asyncio.gather(*(ask(guarded, student) for _ in range(14)))
    assert sorted(status for status, _, _ in answers) == [200] * 10 + [429] * 4
    status, problem, headers = await ask(guarded, student)
    assert (status, problem["code"], problem["retryable"]) == (429, "rate_limited", True)
    # Even then the answer has US-004's fields, and is no yes.
    assert (problem["valid"], problem["confirmedAt"], problem["error"]) == (
        False,
        None,
        "rate_limited",
    )
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["ratelimit-policy"] == '"attempts";q=10;w=60'
    assert headers["ratelimit"].startswith('"attempts";r=0;t=')


async def test_one_caller_leaves_the_others_their_budgets(guarded: Client, ledger: Ledger) -> None:
    _, greedy = await account(guarded, ledger, Role.STUDENT)
    _, modest = await account(guarded, ledger, Role.STUDENT)
    _, partner = await account(guarded, ledger, Role.PARTNER)
    await asyncio.gather(*(ask(guarded, greedy) for _ in range(30)))
    assert (await ask(guarded, greedy))[0] == 429
    for other in (modest, partner, None):
        status, _, headers = await ask(guarded, other)
        assert status == 200
        assert "ratelimit" in headers


async def test_another_route_has_its_own_budget(guarded: Client, ledger: Ledger) -> None:
    _, student = await account(guarded, ledger, Role.STUDENT)
    await asyncio.gather(*(ask(guarded, student) for _ in range(11)))
    status, _, headers = await guarded.call("GET", "/api/v1/orders", headers=student)
    assert status == 200
    assert headers["ratelimit-policy"] == '"requests";q=3000;w=60'


async def test_bad_credentials_are_not_tried_without_end(ledger: Ledger) -> None:
    settings = settings_for(ledger.url, access="accounts", anonymous_requests_per_minute=20)
    async with served(settings) as client:
        bad = {"Authorization": "Bearer bck_test_guess"}
        statuses = [(await client.call("GET", FLAGS, headers=bad))[0] for _ in range(25)]
        assert statuses == [401] * 20 + [429] * 5
        # Whoever has good ones, behind the same address, is not locked out.
        _, admin = await account(client, ledger, Role.ADMIN)
        assert (await client.call("GET", FLAGS, headers=admin))[0] == 200


async def test_more_than_three_failures_within_five_minutes_raise_one_flag(
    guarded: Client, ledger: Ledger
) -> None:
    student_id, student = await account(guarded, ledger, Role.STUDENT)
    _, admin = await account(guarded, ledger, Role.ADMIN)
    for _ in range(3):
        await ask(guarded, student)
    assert (await guarded.call("GET", FLAGS, headers=admin))[1]["data"] == []
    await ask(guarded, student)
    (flag,) = await until_flagged(guarded, admin)
    assert (flag["subject"], flag["reason"]) == (student_id, "failed_validations")
    assert (flag["status"], flag["failures"]) == ("standing", 1)


async def test_successful_payments_flag_nobody(guarded: Client, ledger: Ledger) -> None:
    _, till = await account(guarded, ledger, Role.TILL)
    _, admin = await account(guarded, ledger, Role.ADMIN)
    status, order, _ = await guarded.call(
        "POST",
        "/api/v1/orders",
        json={"amountMyr": "1.80"},
        headers=till | {"Idempotency-Key": "one"},
    )
    assert status == 201, order
    await ledger.block(Pay(order["orderAddress"], "0.25", tx("good")))
    _, student = await account(guarded, ledger, Role.STUDENT)
    for _ in range(8):
        assert (await ask(guarded, student, "good"))[1]["valid"] is True
    suspicious, culprit = await account(guarded, ledger, Role.STUDENT)
    for _ in range(4):
        await ask(guarded, culprit)
    assert [flag["subject"] for flag in await until_flagged(guarded, admin)] == [suspicious]


async def test_a_partner_who_speaks_for_many_is_not_flagged_as_one_user(
    guarded: Client, ledger: Ledger
) -> None:
    _, partner = await account(guarded, ledger, Role.PARTNER)
    user_id, user = await account(guarded, ledger, Role.STUDENT)
    _, admin = await account(guarded, ledger, Role.ADMIN)
    for caller in [partner] * 20 + [user] * 4:
        await ask(guarded, caller)
    assert [flag["subject"] for flag in await until_flagged(guarded, admin)] == [user_id]


async def test_an_admin_acknowledges_and_clears_and_the_log_says_who(
    guarded: Client, ledger: Ledger
) -> None:
    _, student = await account(guarded, ledger, Role.STUDENT)
    admin_id, admin = await account(guarded, ledger, Role.ADMIN)
    for _ in range(4):
        await ask(guarded, student)
    (flag,) = await until_flagged(guarded, admin)
    path = f"{FLAGS}/{flag['id']}"
    status, acknowledged, _ = await guarded.call("POST", f"{path}/acknowledge", headers=admin)
    assert (status, acknowledged["acknowledgedBy"]) == (200, admin_id)
    status, problem, _ = await guarded.call("POST", f"{path}/acknowledge", headers=admin)
    assert (status, problem["code"]) == (409, "flag_not_standing")
    note = {"note": "a forgotten script"}
    status, cleared, _ = await guarded.call("POST", f"{path}/clear", headers=admin, json=note)
    assert (status, cleared["status"], cleared["note"]) == (200, "cleared", note["note"])
    log = await read_audit_page(
        ledger.connection, before_seq=None, actor=admin_id, subject=flag["id"], limit=9
    )
    assert [one.entry.action for one in log] == ["flag.cleared", "flag.acknowledged"]
    # The next failures are news again.
    await ask(guarded, student)
    assert len(await until_flagged(guarded, admin, count=2)) == 2


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_nobody_else_sees_or_moves_flags(guarded: Client, ledger: Ledger, role: Role) -> None:
    _, headers = await account(guarded, ledger, role)
    flag_id = "flg_" + "0" * 26
    for method, path in (
        ("GET", FLAGS),
        ("GET", f"{FLAGS}/{flag_id}"),
        ("POST", f"{FLAGS}/{flag_id}/clear"),
    ):
        status, problem, _ = await guarded.call(method, path, headers=headers)
        assert (status, problem["code"]) == (403, "role_missing")


async def test_the_audit_log_is_for_auditors(guarded: Client, ledger: Ledger) -> None:
    for role in Role:
        _, headers = await account(guarded, ledger, role)
        status, page, _ = await guarded.call("GET", "/api/v1/audit-log", headers=headers)
        allowed = role in {Role.AUDITOR, Role.ADMIN}
        assert status == (200 if allowed else 403)
        assert not allowed or page["data"] == []


@contextlib.asynccontextmanager
async def slack(*statuses: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A local receiver that answers with these statuses first, then takes everything."""
    told: list[str] = []
    waiting = list(statuses)

    async def receive(request: web.Request) -> web.Response:
        if waiting:
            return web.Response(status=waiting.pop(0))
        told.append((await request.json())["text"])
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/services/T0/B0/secret", receive)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/services/T0/B0/secret", told


@contextlib.asynccontextmanager
async def jobs_of(settings: Any) -> AsyncIterator[None]:
    database = Database(
        str(settings.database_url), settings.deployment, application_name="billcoin-jobs"
    )
    stop = asyncio.Event()
    context = JobContext(settings, database, time.time)
    running = asyncio.create_task(JobsProcess(context, WORK).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def test_operators_are_told_once_and_slack_s_failures_are_tried_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.2)
    async with slack(500, 429) as (url, told):
        settings = settings_for(ledger.url, access="accounts", slack_webhook_url=url)
        async with served(settings) as client, jobs_of(settings):
            student_id, student = await account(client, ledger, Role.STUDENT)
            for _ in range(9):
                status, _, _ = await ask(client, student)
                assert status == 200, "an alert that is under way delays no answer"
            async with asyncio.timeout(30):
                while not told:  # noqa: ASYNC110 - the receiver sets no event
                    await asyncio.sleep(0.02)
            _, admin = await account(client, ledger, Role.ADMIN)
            async with asyncio.timeout(20):
                while (await until_flagged(client, admin))[0]["failures"] < 6:
                    pass
        assert len(told) == 1
        assert student_id in told[0]
    output = capfd.readouterr()
    assert "secret" not in output.out + output.err
