"""Signing in, staying signed in, and what happens to whoever should not be."""

import asyncio
import json
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from access_support import OFFICE, PASSWORD, Guarded, Person, guarded_oracle
from argon2 import PasswordHasher
from joserfc import jwt
from joserfc.jwk import KeySet
from limits.storage import memory
from oracle_support import Client, Ledger

from ledger.store.accounts import read_account_by_name
from ledger.store.actor import OFFICE_COMMAND
from oracle_api.access import passwords as passwords_module
from oracle_api.access.attempts import BY_NAME
from oracle_api.access.authenticator import MEMORY_SECONDS
from oracle_api.access.office import Office
from oracle_api.access.principal import Role
from oracle_api.problems import UnavailableError
from oracle_api.tokens.service import GRACE_SECONDS, SESSION_DAYS

TOKENS = "/api/v1/tokens"
ME = "/api/v1/accounts/me"


async def test_a_password_opens_a_session_and_the_token_tells_who_asks(guarded: Guarded) -> None:
    account_id = await guarded.account("till-3", Role.TILL, store="north")
    status, tokens, headers = await guarded.grant(
        grant_type="password", username="Till-3", password=PASSWORD
    )
    assert (status, tokens["token_type"], tokens["expires_in"]) == (200, "Bearer", 900)
    assert headers["cache-control"] == "no-store"
    assert "set-cookie" not in headers
    status, me, _ = await Person(guarded.client, account_id, tokens["access_token"]).call("GET", ME)
    assert (status, me) == (
        200,
        {
            "id": account_id,
            "object": "account",
            "name": "till-3",
            "roles": ["till"],
            "storeId": "north",
        },
    )


async def test_partners_can_check_tokens_with_the_published_keys(guarded: Guarded) -> None:
    await guarded.account("ada", Role.STUDENT)
    _, key_set, headers = await guarded.client.call("GET", "/.well-known/jwks.json")
    assert headers["cache-control"] == "public, max-age=300"
    assert "d" not in key_set["keys"][0]
    token = (await guarded.signed_in("ada"))["access_token"]
    read = jwt.decode(token, KeySet.import_key_set(key_set), ["ES256"])
    assert (read.claims["iss"], read.claims["aud"]) == ("billcoin-oracle", "billcoin")


async def test_a_failed_sign_in_tells_the_office_and_nothing_else(guarded: Guarded) -> None:
    """The same answer, to the letter, whether the name, the password or the account is at fault."""
    await guarded.account("ada", Role.STUDENT)
    gone = await guarded.account("gone", Role.STUDENT)
    key_only = await guarded.account("robot", Role.PARTNER)
    connection = guarded.ledger.connection
    async with connection.transaction():
        await guarded.office.set_enabled(connection, OFFICE_COMMAND, gone, is_enabled=False)
        await connection.execute("UPDATE account SET password_hash = NULL WHERE id = $1", key_only)
    answers = set()
    for name, password in (
        ("ada", "wrong password"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("robot", PASSWORD),
        ("everybody (access is open)", PASSWORD),
        ("acc_open", ""),
        ("\u0000", PASSWORD),
        ("ada\u0000", PASSWORD),
        ("ada' OR 1=1 --", PASSWORD),
    ):
        status, problem, headers = await guarded.grant(
            grant_type="password", username=name, password=password
        )
        assert (status, problem.pop("code")) == (401, "credentials_wrong"), name
        assert headers["www-authenticate"] == 'Bearer realm="billcoin"'
        problem.pop("requestId")
        answers.add(json.dumps(problem, sort_keys=True))
    (answer,) = answers
    assert json.loads(answer)["contact"] == OFFICE
    assert "Student Office (+60 3 1234 5678)" in json.loads(answer)["detail"]


@pytest.mark.usefixtures("costly_passwords")
async def test_a_name_that_is_not_costs_a_whole_check_of_a_password(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guarded.account("ada", Role.STUDENT)
    checked = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, stored: str, password: str) -> bool:
        checked.append(re.match(r"\$argon2id\$v=19\$m=65536,t=3,p=4\$", stored) is not None)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    for name in ("ada", "nobody"):
        await guarded.grant(grant_type="password", username=name, password="wrong password")
    assert checked == [True, True]


MALFORMED: list[Any] = [
    {"grant_type": "password", "username": "ada", "password": "x" * 201},
    {"grant_type": "password", "username": "a" * 65, "password": "x"},
    {"grant_type": "password", "username": "ada"},
    {"grant_type": "password", "password": "x"},
    {"grant_type": "refresh_token"},
    {"grant_type": "client_credentials"},
    {"grant_type": "password", "username": "ada", "password": "x", "scope": "admin"},
    {"grant_type": "password", "username": ["ada"], "password": "x"},
    {"grant_type": "password", "username": "ada", "password": "\ud800"},
    {"grant_type": "password", "username": "ada", "password": "x", "session": "local"},
    {},
    [],
]


async def test_a_malformed_sign_in_reaches_no_password(lonely: Client) -> None:
    for body in MALFORMED:
        status, problem, _ = await lonely.call("POST", TOKENS, json=body)
        assert status == 400, body
        assert "ada" not in problem["detail"]


async def test_guessing_is_slowed_down_by_name_whether_it_exists_or_not(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library that counts asks the machine for the time.
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=guarded.watch))
    await guarded.account("ada", Role.STUDENT)
    for name in ("ada", "nobody"):
        statuses = []
        for _ in range(BY_NAME.limit + 1):
            status, problem, headers = await guarded.grant(
                grant_type="password", username=name, password="wrong password"
            )
            statuses.append(status)
        assert statuses == [401] * BY_NAME.limit + [429]
        assert (problem["code"], problem["retryable"]) == ("sign_in_too_often", True)
        assert problem["contact"] == OFFICE
        assert 0 < int(headers["retry-after"]) <= BY_NAME.window_seconds
    # Not even the right password is looked at before its time.
    status, _, _ = await guarded.grant(grant_type="password", username="ada", password=PASSWORD)
    assert status == 429
    guarded.watch.ahead += BY_NAME.window_seconds + 1
    await guarded.signed_in("ada")
    # It was the owner: the whole budget is back.
    for _ in range(BY_NAME.limit):
        status, _, _ = await guarded.grant(grant_type="password", username="ada", password="wrong")
        assert status == 401


async def test_guesses_sent_at_once_are_no_way_around(guarded: Guarded) -> None:
    await guarded.account("ada", Role.STUDENT)
    guesses = [
        guarded.grant(grant_type="password", username="ada", password=f"guess {number}")
        for number in range(15)
    ]
    statuses = [status for status, _, _ in await asyncio.gather(*guesses)]
    assert (statuses.count(401), statuses.count(429)) == (BY_NAME.limit, 10)


async def test_one_address_cannot_try_every_name(guarded: Guarded) -> None:
    guarded.watch.stop()
    statuses = [
        (await guarded.grant(grant_type="password", username=f"name-{n}", password="x"))[0]
        for n in range(24)
    ]
    assert statuses == [401] * 20 + [429] * 4


async def test_only_so_many_passwords_are_checked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords_module, "MAX_WAITING", 2)
    passwords = passwords_module.Passwords(Office("the office", None), PasswordHasher(1, 8, 1))
    stored = passwords.hash_now(PASSWORD)
    found = await asyncio.gather(
        *(passwords.is_right(PASSWORD, stored) for _ in range(3)), return_exceptions=True
    )
    assert found[:2] == [True, True]
    assert isinstance(found[2], UnavailableError)
    assert found[2].code == "sign_in_busy"
    assert await passwords.is_right(PASSWORD, stored)
    passwords.close()


@pytest.mark.usefixtures("costly_passwords")
async def test_a_hash_of_old_parameters_is_renewed_at_the_next_sign_in(guarded: Guarded) -> None:
    account_id = await guarded.account("ada", Role.STUDENT)
    connection = guarded.ledger.connection
    weak = PasswordHasher(1, 8, 1).hash(PASSWORD)
    update = "UPDATE account SET password_hash = $2 WHERE id = $1"
    await connection.execute(update, account_id, weak)
    first = await guarded.signed_in("ada")
    account = await read_account_by_name(connection, "ada")
    assert account is not None
    assert str(account.password_hash).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    # Nobody was signed out by it.
    ada = Person(guarded.client, account_id, first["access_token"])
    assert (await ada.call("GET", ME))[0] == 200
    await guarded.signed_in("ada")


async def test_however_a_keyboard_composes_it_the_password_is_the_same(guarded: Guarded) -> None:
    await guarded.account("ada", Role.STUDENT, password="caf\u00e9 latte grande")
    await guarded.signed_in("ada", "cafe\u0301 latte grande")


async def refresh(guarded: Guarded, token: str) -> tuple[int, Any]:
    status, answer, _ = await guarded.grant(grant_type="refresh_token", refresh_token=token)
    return status, answer


async def test_a_refresh_token_is_good_once_and_reuse_ends_the_session(guarded: Guarded) -> None:
    account_id = await guarded.account("ada", Role.STUDENT)
    first = (await guarded.signed_in("ada"))["refresh_token"]
    status, second = await refresh(guarded, first)
    assert status == 200
    ada = Person(guarded.client, account_id, second["access_token"])
    assert (await ada.call("GET", ME))[0] == 200
    guarded.watch.ahead += GRACE_SECONDS + 1
    # The stolen token comes again: the thief gets nothing, and the family is over.
    status, problem = await refresh(guarded, first)
    assert (status, problem["code"]) == (401, "refresh_token_invalid")
    assert problem["contact"] == OFFICE
    status, problem = await refresh(guarded, second["refresh_token"])
    assert (status, problem["code"]) == (401, "refresh_token_invalid")
    reason = "SELECT revoked_reason FROM session WHERE account_id = $1"
    assert await guarded.ledger.connection.fetchval(reason, account_id) == "token_reused"
    # Another session of the same account has nothing to do with it.
    await guarded.signed_in("ada")


async def test_two_tabs_that_wake_up_together_both_stay_signed_in(guarded: Guarded) -> None:
    await guarded.account("ada", Role.STUDENT)
    first = (await guarded.signed_in("ada"))["refresh_token"]
    answers = await asyncio.gather(*(refresh(guarded, first) for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5
    renewed = {answer["refresh_token"] for _, answer in answers}
    assert len(renewed) == 5
    for token in renewed:
        assert (await refresh(guarded, token))[0] == 200


async def test_a_session_has_an_end_that_renewing_does_not_move(guarded: Guarded) -> None:
    await guarded.account("ada", Role.STUDENT)
    token = (await guarded.signed_in("ada"))["refresh_token"]
    for _ in range(3):
        guarded.watch.ahead += timedelta(days=SESSION_DAYS / 4).total_seconds()
        status, answer = await refresh(guarded, token)
        assert status == 200
        token = answer["refresh_token"]
    guarded.watch.ahead += timedelta(days=SESSION_DAYS / 4).total_seconds()
    assert (await refresh(guarded, token))[0] == 401


async def test_a_made_up_refresh_token_gets_nothing(guarded: Guarded) -> None:
    for token in ("", "x", "x" * 200, "x" * 201, "'; DROP TABLE session; --", "\u0000"):
        status, problem = await refresh(guarded, token)
        assert status in {400, 401}, problem


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(
    guarded: Guarded,
) -> None:
    account_id = await guarded.account("ada", Role.STUDENT)
    tokens = await guarded.signed_in("ada")
    assert (await refresh(guarded, tokens["access_token"]))[0] in {400, 401}
    wrong = Person(guarded.client, account_id, tokens["refresh_token"])
    status, problem, headers = await wrong.call("GET", ME)
    assert (status, problem["code"]) == (401, "token_invalid")
    assert headers["www-authenticate"] == 'Bearer realm="billcoin", error="invalid_token"'


async def test_signing_out_ends_the_session_and_tells_strangers_nothing(guarded: Guarded) -> None:
    await guarded.account("ada", Role.STUDENT)
    token = (await guarded.signed_in("ada"))["refresh_token"]
    for given in (token, token, "made up"):
        status, _, headers = await guarded.client.call(
            "POST", f"{TOKENS}/revoke", json={"refresh_token": given}
        )
        assert status == 204
        assert "Max-Age=0" in headers["set-cookie"]
    assert (await refresh(guarded, token))[0] == 401


async def test_an_access_token_dies_after_fifteen_minutes(guarded: Guarded) -> None:
    ada = await guarded.person("ada", Role.STUDENT)
    guarded.watch.ahead += 890
    assert (await ada.call("GET", ME))[0] == 200
    guarded.watch.ahead += 20
    status, problem, _ = await ada.call("GET", ME)
    assert (status, problem["code"]) == (401, "token_expired")


@pytest.mark.parametrize("what", ["disabled", "password"])
async def test_what_the_office_takes_away_is_gone_at_the_latest_after_ten_seconds(
    guarded: Guarded, what: str
) -> None:
    account_id = await guarded.account("ada", Role.STUDENT)
    tokens = await guarded.signed_in("ada")
    ada = Person(guarded.client, account_id, tokens["access_token"])
    assert (await ada.call("GET", ME))[0] == 200
    # By the command on the server, of which this process hears nothing.
    connection, office = guarded.ledger.connection, guarded.office
    async with connection.transaction():
        if what == "disabled":
            await office.set_enabled(connection, OFFICE_COMMAND, account_id, is_enabled=False)
        else:
            await office.set_password(connection, OFFICE_COMMAND, account_id, "$argon2id$x")
    assert (await refresh(guarded, tokens["refresh_token"]))[0] == 401
    guarded.watch.ahead += MEMORY_SECONDS + 1
    status, problem, _ = await ada.call("GET", ME)
    assert (status, problem["code"]) == (401, "token_invalid")
    assert problem["detail"].endswith("; ask Student Office (+60 3 1234 5678)")


async def test_roles_that_were_taken_away_are_gone_although_the_token_names_them(
    guarded: Guarded,
) -> None:
    root = await guarded.person("root", Role.ADMIN)
    eve = await guarded.person("eve", Role.ADMIN)
    assert (await eve.call("GET", "/api/v1/accounts"))[0] == 200
    path = f"/api/v1/accounts/{eve.account_id}/roles"
    status, _, _ = await root.call("POST", path, json={"roles": ["student"]})
    assert status == 200
    # By this process, so at once.
    status, problem, headers = await eve.call("GET", "/api/v1/accounts")
    assert (status, problem["code"]) == (403, "role_missing")
    assert problem["contact"] == OFFICE
    assert 'error="insufficient_scope"' in headers["www-authenticate"]


async def test_another_scheme_or_an_empty_one_is_not_let_in(guarded: Guarded) -> None:
    for value in ("Basic YWRhOmFkYQ==", "Bearer", "Bearer ", "bearer\tx", "token x", ""):
        for path in (ME, "/api/v1/catalogue"):
            status, problem, _ = await guarded.client.call(
                "GET", path, headers={"Authorization": value}
            )
            assert (status, problem["code"]) == (401, "token_invalid"), (value, path)


async def test_a_stale_token_keeps_nobody_from_signing_in_nor_a_probe_from_its_answer(
    guarded: Guarded,
) -> None:
    await guarded.account("ada", Role.STUDENT)
    stale = {"Authorization": "Bearer stale"}
    status, _, _ = await guarded.grant(
        headers=stale, grant_type="password", username="ada", password=PASSWORD
    )
    assert status == 200
    assert (await guarded.client.call("GET", "/healthz", headers=stale))[0] == 200


async def test_a_page_keeps_its_session_in_cookies_that_no_script_reads(guarded: Guarded) -> None:
    await guarded.account("till-3", Role.TILL, store="cafeteria")
    body = {
        "grant_type": "password",
        "username": "till-3",
        "password": PASSWORD,
        "session": "cookie",
    }
    client = guarded.client
    async with client.session.post(client.base + TOKENS, json=body) as answer:
        assert answer.status == 200
        assert "refresh_token" not in await answer.json()
        set_cookies = answer.headers.getall("set-cookie")
    refresh_cookie, access_cookie = set_cookies
    assert re.fullmatch(
        r"billcoin_refresh=[\w-]{43}; Path=/api/v1/tokens; Max-Age=2592000; HttpOnly; "
        r"SameSite=Strict",
        refresh_cookie,
    )
    assert re.fullmatch(
        r"billcoin_access=[\w.-]+; Path=/api/v1; Max-Age=900; HttpOnly; SameSite=Strict",
        access_cookie,
    )
    cookie = {"Cookie": refresh_cookie.partition(";")[0]}
    renewal = {"grant_type": "refresh_token", "session": "cookie"}
    status, tokens, headers = await client.call("POST", TOKENS, json=renewal, headers=cookie)
    assert (status, "refresh_token" in tokens) == (200, False)
    assert headers["set-cookie"] != refresh_cookie
    # A page of another site sends no such cookie, and would be turned away if it did.
    foreign = cookie | {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    status, problem, _ = await client.call("POST", TOKENS, json=renewal, headers=foreign)
    assert (status, problem["code"]) == (403, "origin_foreign")
    # Without `session` the cookie counts for nothing.
    status, problem, _ = await client.call(
        "POST", TOKENS, json={"grant_type": "refresh_token"}, headers=cookie
    )
    assert (status, problem["param"]) == (400, "refresh_token")


async def test_cookies_need_tls_everywhere_but_on_this_machine(ledger: Ledger) -> None:
    async with guarded_oracle(ledger, oracle_names=("pay.example",)) as guarded:
        await guarded.account("ada", Role.STUDENT)
        for host, is_secure in (
            ("pay.example", True),
            ("192.168.1.5:8400", True),
            ("oracle", True),
            ("localhost:8400", False),
            ("[::1]:8400", False),
        ):
            _, _, headers = await guarded.grant(
                headers={"Host": host},
                grant_type="password",
                username="ada",
                password=PASSWORD,
                session="cookie",
            )
            assert headers["set-cookie"].endswith("; Secure") is is_secure, host
