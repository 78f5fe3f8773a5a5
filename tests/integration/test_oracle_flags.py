"""Who asks too often is slowed down, who keeps failing is flagged, and the operators hear of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from access_support import Guarded, Person, guarded_oracle
from aiohttp import web
from aiohttp.test_utils import TestServer
from jobs_process import doing
from limits.storage import memory
from oracle_support import Ledger, Pay, settings_for, tx, until

from ledger.store.audit_log import read_audit_page
from oracle_api.access.principal import Role
from oracle_api.budgets.spending import RedisSpender
from oracle_api.flags.suspicion import WINDOW_SECONDS
from oracle_api.jobs import process

VALIDATE = "/api/v1/payments/validate"
FLAGS = "/api/v1/flags"


async def ask(person: Person, name: object = "nothing") -> tuple[int, Any, dict[str, str]]:
    body = {"txHash": "0x" + tx(name).hex(), "expectedAmount": "0.25"}
    return await person.call("POST", VALIDATE, json=body)


async def somebody(guarded: Guarded, role: Role, name: str | None = None) -> Person:
    store = "cafeteria" if role is Role.TILL else None
    return await guarded.person(name or role.value, role, store=store)


async def until_flagged(admin: Person, count: int = 1) -> list[Any]:
    async with asyncio.timeout(20):
        while True:
            _, page, _ = await admin.call("GET", FLAGS)
            if len(page["data"]) >= count:
                return list(page["data"])
            await asyncio.sleep(0.02)


async def test_a_student_has_ten_attempts_within_a_minute(guarded: Guarded) -> None:
    student = await somebody(guarded, Role.STUDENT)
    answers = await asyncio.gather(*(ask(student) for _ in range(14)))
    assert sorted(status for status, _, _ in answers) == [200] * 10 + [429] * 4
    status, problem, headers = await ask(student)
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


async def test_one_caller_leaves_the_others_their_budgets(guarded: Guarded) -> None:
    greedy = await somebody(guarded, Role.STUDENT, "greedy")
    modest = await somebody(guarded, Role.STUDENT, "modest")
    partner = await somebody(guarded, Role.PARTNER)
    await asyncio.gather(*(ask(greedy) for _ in range(30)))
    assert (await ask(greedy))[0] == 429
    for other in (modest, partner, Person(guarded.client, "")):
        status, _, headers = await ask(other)
        assert status == 200
        assert "ratelimit" in headers


async def test_another_route_has_its_own_budget(guarded: Guarded) -> None:
    student = await somebody(guarded, Role.STUDENT)
    await asyncio.gather(*(ask(student) for _ in range(11)))
    status, _, headers = await student.call("GET", "/api/v1/orders")
    assert status == 200
    assert headers["ratelimit-policy"] == '"requests";q=3000;w=60'


async def test_bad_credentials_are_not_tried_without_end(ledger: Ledger) -> None:
    async with guarded_oracle(ledger, anonymous_requests_per_minute=20) as guarded:
        bad = {"Authorization": "Bearer bck_test_guess"}
        statuses = [(await guarded.client.call("GET", FLAGS, headers=bad))[0] for _ in range(25)]
        assert statuses == [401] * 20 + [429] * 5
        # Whoever has good ones, behind the same address, is not locked out.
        admin = await somebody(guarded, Role.ADMIN)
        assert (await admin.call("GET", FLAGS))[0] == 200


async def test_more_than_three_failures_within_five_minutes_raise_one_flag(
    guarded: Guarded,
) -> None:
    student = await somebody(guarded, Role.STUDENT)
    admin = await somebody(guarded, Role.ADMIN)
    for _ in range(3):
        await ask(student)
    assert (await admin.call("GET", FLAGS))[1]["data"] == []
    await ask(student)
    (flag,) = await until_flagged(admin)
    assert (flag["subject"], flag["reason"]) == (student.account_id, "failed_validations")
    assert (flag["status"], flag["failures"]) == ("standing", 1)


async def test_failures_of_more_than_five_minutes_ago_count_no_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The counting library takes the time from nowhere else.
    real, ahead = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    old = {"max_observation_age_seconds": 3600, "max_tip_age_seconds": 3600}
    async with guarded_oracle(ledger, **old) as guarded:
        admin = await somebody(guarded, Role.ADMIN)
        slow = await somebody(guarded, Role.STUDENT, "slow")
        fast = await somebody(guarded, Role.STUDENT, "fast")
        for student in (slow, fast) * 3:
            await ask(student)
        ahead = WINDOW_SECONDS - 60
        await ask(fast)
        (flag,) = await until_flagged(admin)
        assert flag["subject"] == fast.account_id
        ahead = WINDOW_SECONDS + 1
        for _ in range(3):
            await ask(slow)
        # Flags are raised in the order of the failures, so that the next would come after hers.
        other = await somebody(guarded, Role.STUDENT, "other")
        for _ in range(4):
            await ask(other)
        newest = await until_flagged(admin, count=2)
        assert [flag["subject"] for flag in newest] == [other.account_id, fast.account_id]
        await ask(slow)
        assert (await until_flagged(admin, count=3))[0]["subject"] == slow.account_id


async def test_successful_payments_flag_nobody(guarded: Guarded) -> None:
    till = await somebody(guarded, Role.TILL)
    admin = await somebody(guarded, Role.ADMIN)
    order = await till.order("one")
    await guarded.ledger.block(Pay(order["orderAddress"], "0.25", tx("good")))
    student = await somebody(guarded, Role.STUDENT)
    for _ in range(8):
        assert (await ask(student, "good"))[1]["valid"] is True
    culprit = await somebody(guarded, Role.STUDENT, "culprit")
    for _ in range(4):
        await ask(culprit)
    assert [flag["subject"] for flag in await until_flagged(admin)] == [culprit.account_id]


async def test_a_partner_who_speaks_for_many_is_not_flagged_as_one_user(guarded: Guarded) -> None:
    partner = await somebody(guarded, Role.PARTNER)
    user = await somebody(guarded, Role.STUDENT)
    admin = await somebody(guarded, Role.ADMIN)
    for caller in [partner] * 20 + [user] * 4:
        await ask(caller)
    assert [flag["subject"] for flag in await until_flagged(admin)] == [user.account_id]


@pytest.mark.parametrize("role", [Role.PARTNER, Role.TILL])
async def test_who_speaks_for_many_is_flagged_by_more_than_a_hundred_failures(
    guarded: Guarded, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many are counted in windows, of which one must not end here.
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=lambda: 1_000_000.0))
    many = await somebody(guarded, role)
    admin = await somebody(guarded, Role.ADMIN)
    for _ in range(100):
        assert (await ask(many))[1]["error"] == "transaction_not_found"
    # Flags are raised in the order of the failures: one of theirs would stand before this one.
    user = await somebody(guarded, Role.STUDENT)
    for _ in range(4):
        await ask(user)
    assert [flag["subject"] for flag in await until_flagged(admin)] == [user.account_id]
    await ask(many)
    newest, _ = await until_flagged(admin, count=2)
    assert (newest["subject"], newest["failures"]) == (many.account_id, 1)


@contextlib.asynccontextmanager
async def two_replicas(ledger: Ledger, url: str | None) -> AsyncIterator[tuple[Guarded, Guarded]]:
    async with (
        guarded_oracle(ledger, limits_url=url) as one,
        guarded_oracle(ledger, limits_url=url) as other,
    ):
        yield one, other


async def test_replicas_count_failures_together(
    ledger: Ledger, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RedisSpender.__init__.__kwdefaults__, "timeout_seconds", 20)
    async with two_replicas(ledger, redis_url) as (one, other):
        student = await somebody(one, Role.STUDENT)
        admin = await somebody(one, Role.ADMIN)
        there = other.known(student.account_id, Role.STUDENT)
        for asker in (student, there, student, there):
            await ask(asker)
        (flag,) = await until_flagged(admin)
        assert (flag["subject"], flag["failures"]) == (student.account_id, 1)


async def test_without_redis_each_replica_counts_failures_for_itself(ledger: Ledger) -> None:
    """As docs/operator.md says; the flag that one of them raises then stands for both."""
    async with two_replicas(ledger, None) as (one, other):
        student = await somebody(one, Role.STUDENT)
        admin = await somebody(other, Role.ADMIN)
        there = other.known(student.account_id, Role.STUDENT)
        for asker in (student, there) * 3:
            await ask(asker)
        for guarded in (one, other):
            culprit = await somebody(guarded, Role.STUDENT, f"culprit-{guarded is one}")
            for _ in range(4):
                await ask(culprit)
        flags = await until_flagged(admin, count=2)
        assert student.account_id not in {flag["subject"] for flag in flags}
        await ask(there)
        newest, *_ = await until_flagged(admin, count=3)
        assert newest["subject"] == student.account_id


async def test_an_admin_acknowledges_and_clears_and_the_log_says_who(guarded: Guarded) -> None:
    student = await somebody(guarded, Role.STUDENT)
    admin = await somebody(guarded, Role.ADMIN)
    for _ in range(4):
        await ask(student)
    (flag,) = await until_flagged(admin)
    path = f"{FLAGS}/{flag['id']}"
    status, acknowledged, _ = await admin.call("POST", f"{path}/acknowledge")
    assert (status, acknowledged["acknowledgedBy"]) == (200, admin.account_id)
    status, problem, _ = await admin.call("POST", f"{path}/acknowledge")
    assert (status, problem["code"]) == (409, "flag_not_standing")
    # What the database cannot hold must not leave the flag to nobody.
    status, problem, _ = await admin.call("POST", f"{path}/clear", json={"note": "a\0b"})
    assert (status, problem["code"], problem["param"]) == (400, "parameter_invalid", "note")
    note = {"note": "a forgotten script"}
    status, cleared, _ = await admin.call("POST", f"{path}/clear", json=note)
    assert (status, cleared["status"], cleared["note"]) == (200, "cleared", note["note"])
    log = await read_audit_page(
        guarded.ledger.connection,
        before_seq=None,
        actor=admin.account_id,
        subject=flag["id"],
        limit=9,
    )
    assert [one.entry.action for one in log] == ["flag.cleared", "flag.acknowledged"]
    # The next failures are news again.
    await ask(student)
    assert len(await until_flagged(admin, count=2)) == 2


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_nobody_else_sees_or_moves_flags(guarded: Guarded, role: Role) -> None:
    person = await somebody(guarded, role)
    flag_id = "flg_" + "0" * 26
    for method, path in (
        ("GET", FLAGS),
        ("GET", f"{FLAGS}/{flag_id}"),
        ("POST", f"{FLAGS}/{flag_id}/clear"),
    ):
        status, problem, _ = await person.call(method, path)
        assert (status, problem["code"]) == (403, "role_missing")


async def test_the_audit_log_is_for_auditors(guarded: Guarded) -> None:
    for made, role in enumerate(Role, 1):
        person = await somebody(guarded, role)
        status, page, _ = await person.call("GET", "/api/v1/audit-log")
        allowed = role in {Role.AUDITOR, Role.ADMIN}
        assert status == (200 if allowed else 403)
        if allowed:
            assert [one["action"] for one in page["data"]] == ["account.created"] * made
            for name in ("actor", "subject"):
                status, problem, _ = await person.call("GET", f"/api/v1/audit-log?{name}=a%00b")
                assert (status, problem["code"]) == (400, "parameter_invalid")


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


async def test_operators_are_told_once_and_slack_s_failures_are_tried_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.2)
    async with slack(500, 429) as (url, told):
        async with (
            guarded_oracle(ledger, slack_webhook_url=url) as guarded,
            doing(settings_for(ledger.url, access="accounts", slack_webhook_url=url)),
        ):
            student = await somebody(guarded, Role.STUDENT)
            for _ in range(9):
                status, _, _ = await ask(student)
                assert status == 200, "an alert that is under way delays no answer"
            await until(lambda: told, seconds=30)
            admin = await somebody(guarded, Role.ADMIN)
            async with asyncio.timeout(20):
                while (await until_flagged(admin))[0]["failures"] < 6:
                    pass
        assert len(told) == 1
        assert student.account_id in told[0]
    output = capfd.readouterr()
    assert "secret" not in output.out + output.err


async def test_a_slack_that_never_answers_holds_up_no_payment(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.2)
    held, is_told = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        is_told.set()
        await held.wait()
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/hook", hang)
    async with TestServer(app) as server:
        url = f"http://127.0.0.1:{server.port}/hook"
        async with (
            guarded_oracle(ledger, slack_webhook_url=url) as guarded,
            doing(settings_for(ledger.url, access="accounts", slack_webhook_url=url)),
        ):
            till = await somebody(guarded, Role.TILL)
            student = await somebody(guarded, Role.STUDENT)
            order = await till.order("one")
            for _ in range(4):
                await ask(student)
            async with asyncio.timeout(30):
                await is_told.wait()
            # While the alert hangs: the very caller that it is about pays, and is told so.
            await ledger.block(Pay(order["orderAddress"], "0.25", tx("good")))
            status, answer, _ = await ask(student, "good")
            assert (status, answer["valid"]) == (200, True)
            assert not held.is_set()
            held.set()
