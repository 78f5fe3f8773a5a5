"""The office makes accounts and keys, by command and by API, and nobody else does."""

import asyncio
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from access_support import OFFICE, PASSWORD, Guarded, Person, guarded_oracle
from oracle_support import ANYWHERE, Ledger, environment_for, settings_for, tx
from typer.testing import CliRunner

from ledger.errors import RejectedError
from ledger.store.accounts import LOCK_ADMINS
from ledger.store.audit_log import check_audit_log, read_audit_page
from ledger.store.pool import connect
from oracle_api.__main__ import app
from oracle_api.access.authenticator import MEMORY_SECONDS
from oracle_api.access.principal import Role, Scope
from oracle_api.access.route_roles import ANYONE, ROUTE_ROLES
from oracle_api.access.settings import check_access
from oracle_api.access.token_keys import add_key, load_token_keys
from oracle_api.accounts.service import MAX_GOOD_KEYS

ACCOUNTS = "/api/v1/accounts"
VALIDATE = "/api/v1/payments/validate"
QUESTION = {"txHash": "0x" + tx(1).hex(), "expectedAmount": "0.25"}


async def made(person: Person, **body: Any) -> tuple[int, Any]:
    status, answer, _ = await person.call("POST", ACCOUNTS, json=body)
    return status, answer


async def test_an_admin_makes_lists_shows_and_ends_accounts(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    status, till = await made(
        admin, name="till-3", roles=["till"], storeId="north", password=PASSWORD
    )
    assert status == 201
    assert till.keys() == {
        *("id", "object", "name", "roles", "storeId"),
        *("hasPassword", "isEnabled", "createdAt", "disabledAt"),
    }
    assert (till["storeId"], till["hasPassword"], till["isEnabled"]) == ("north", True, True)
    await guarded.signed_in("till-3")
    _, listed, _ = await admin.call("GET", f"{ACCOUNTS}?limit=1")
    assert (listed["data"], listed["hasMore"]) == ([till], True)
    _, rest, _ = await admin.call("GET", f"{ACCOUNTS}?before={listed['next']}")
    assert [one["name"] for one in rest["data"]] == ["root"]
    path = f"{ACCOUNTS}/{till['id']}"
    _, disabled, _ = await admin.call("POST", f"{path}/disable")
    assert disabled["isEnabled"] is False
    status, _, _ = await guarded.grant(grant_type="password", username="till-3", password=PASSWORD)
    assert status == 401
    await admin.call("POST", f"{path}/enable")
    await guarded.signed_in("till-3")
    _, _, _ = await admin.call("POST", f"{path}/password", json={"password": "another phrase"})
    await guarded.signed_in("till-3", "another phrase")
    status, problem, _ = await admin.call("POST", f"{path}/password", json={"password": "short"})
    assert (status, problem["code"]) == (400, "password_unfit")
    _, shown, _ = await admin.call("GET", path)
    assert shown == till


async def test_a_malformed_account_is_refused(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    bodies: list[Any] = [
        {"name": "x", "roles": ["student"]},
        {"name": "Ada", "roles": ["student"]},
        {"name": "ada\n", "roles": ["student"]},
        {"name": "ada", "roles": []},
        {"name": "ada", "roles": ["root"]},
        {"name": "ada", "roles": ["student", "student"]},
        {"name": "ada", "roles": "student"},
        {"name": "ada", "roles": ["till"]},
        {"name": "ada", "roles": ["till"], "storeId": "north store"},
        {"name": "ada", "roles": ["student"], "password": "short"},
        {"name": "ada", "roles": ["student"], "password": "x" * 201},
        {"name": "ada", "roles": ["student"], "isAdmin": True},
        {"roles": ["student"]},
        [],
    ]
    for body in bodies:
        status, problem, _ = await admin.call("POST", ACCOUNTS, json=body)
        assert status == 400, problem
    assert await guarded.ledger.connection.fetchval("SELECT count(*) FROM account") == 2


async def test_errors_about_accounts_name_the_office(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    nobody = "acc_" + "0" * 26
    for path in (nobody, "acc_open", "x", "%00"):
        for method, route in (("GET", ""), ("POST", "/disable"), ("GET", "/keys")):
            status, problem, _ = await admin.call(method, f"{ACCOUNTS}/{path}{route}")
            assert (status, problem["code"]) == (404, "account_not_found"), path
            assert problem["contact"] == OFFICE
    status, problem = await made(admin, name="root", roles=["student"])
    assert (status, problem["code"], problem["param"]) == (409, "account_name_taken", "name")
    for key in ("key_" + "0" * 26, "x", "%00"):
        path = f"{ACCOUNTS}/{admin.account_id}/keys/{key}/revoke"
        status, problem, _ = await admin.call("POST", path)
        assert (status, problem["code"]) == (404, "api_key_not_found")


async def test_no_role_but_admin_reaches_what_is_the_office_s(guarded: Guarded) -> None:
    """Role escalation: each other role, alone and all together, against each route."""
    others = [role for role in Role if role is not Role.ADMIN]
    people = [await guarded.person(role, role, store="north") for role in others]
    people.append(await guarded.person("all", *others, store="north"))
    office = [route for route, roles in ROUTE_ROLES.items() if roles == {Role.ADMIN}]
    assert len(office) >= 9
    for person in people:
        for method, path in office:
            target = path.replace("{account_id}", person.account_id)
            status, problem, _ = await person.call(method, target, json={"roles": ["admin"]})
            assert (status, problem["code"]) == (403, "role_missing"), path
    count = "SELECT count(*) FROM account WHERE 'admin' = ANY(roles) AND id <> 'acc_open'"
    assert await guarded.ledger.connection.fetchval(count) == 0


async def test_each_role_reaches_what_the_table_says_and_no_more(guarded: Guarded) -> None:
    people = {role: await guarded.person(role, role, store="north") for role in Role}
    for (method, path), roles in ROUTE_ROLES.items():
        if path.endswith(("/stream", "/ws")):
            continue
        for role, person in people.items():
            target = path.replace("{account_id}", "x").replace("{order_id}", "x")
            status, _, _ = await person.call(method, target)
            is_let_in = status != 403
            assert is_let_in == (roles is ANYONE or role in roles), (method, path, role)


async def key_of(admin: Person, account_id: str, *scopes: str, **more: Any) -> Any:
    status, key, _ = await admin.call(
        "POST",
        f"{ACCOUNTS}/{account_id}/keys",
        json={"name": "server", "scopes": list(scopes)} | more,
    )
    assert status == 201, key
    return key


async def test_an_api_key_is_shown_once_works_and_ends_at_once_here(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    shop = await guarded.account("shop", Role.PARTNER)
    key = await key_of(admin, shop, "orders:read", "orders:write")
    assert key.pop("secretWithheld") is False
    secret = key.pop("secret")
    assert secret.startswith("bck_test_")
    assert len(secret) == len("bck_test_") + 43
    assert key["key"] == f"bck_test_…{secret[-4:]}"
    program = Person(guarded.client, shop, secret)
    order = await program.order("one")
    path = f"{ACCOUNTS}/{shop}/keys"
    _, listed, _ = await admin.call("GET", path)
    (shown,) = listed["data"]
    assert shown.pop("lastUsedAt") is not None
    assert shown == {name: value for name, value in key.items() if name != "lastUsedAt"}
    # Neither it nor what gives it away is anywhere in the database.
    rows = await guarded.ledger.connection.fetch("SELECT t::text FROM api_key t")
    assert secret not in str(rows)
    status, revoked, _ = await admin.call("POST", f"{path}/{key['id']}/revoke")
    assert (status, revoked["revokedAt"] is not None) == (200, True)
    status, problem, headers = await program.call("GET", f"/api/v1/orders/{order['id']}")
    assert (status, problem["code"]) == (401, "api_key_invalid")
    assert problem["contact"] == OFFICE
    assert headers["www-authenticate"] == 'Bearer realm="billcoin", error="invalid_token"'


async def test_a_key_opens_what_its_scopes_name_and_nothing_else(guarded: Guarded) -> None:
    boss = await guarded.account("boss", Role.ADMIN, Role.PARTNER)
    reader = await guarded.program(boss, Scope.ORDERS_READ)
    writer = await guarded.program(boss, Scope.ORDERS_WRITE)
    asker = await guarded.program(boss, Scope.PAYMENTS_VALIDATE)
    orders = "/api/v1/orders"
    for person, method, path, is_let_in in (
        (reader, "GET", orders, True),
        (reader, "POST", orders, False),
        (reader, "POST", VALIDATE, False),
        (writer, "POST", orders, True),
        (writer, "GET", orders, False),
        (writer, "GET", f"{orders}/stream", False),
        (asker, "POST", VALIDATE, True),
        (asker, "GET", orders, False),
        # An admin's key is no admin: accounts take a person.
        (reader, "GET", ACCOUNTS, False),
        (writer, "POST", ACCOUNTS, False),
        (writer, "GET", f"{ACCOUNTS}/me", False),
        (reader, "GET", "/api/v1/catalogue", True),
    ):
        status, body, _ = await person.call(method, path, json=QUESTION)
        assert (status != 403) is is_let_in, (method, path, body)
        if not is_let_in:
            assert body["code"] == "scope_missing"
            assert body["contact"] == OFFICE


async def test_a_key_of_the_other_kind_expired_or_made_up_is_none(guarded: Guarded) -> None:
    shop = await guarded.account("shop", Role.PARTNER)
    good = await guarded.program(shop, Scope.ORDERS_READ, days=1)
    for credential in (
        good.credential.replace("bck_test_", "bck_live_"),
        good.credential[:-1],
        good.credential + "x",
        good.credential.swapcase(),
        "bck_test_",
        "bck_test_" + "x" * 5000,
        "bck_",
    ):
        status, problem, _ = await Person(guarded.client, shop, credential).call(
            "GET", "/api/v1/orders"
        )
        assert status == 401, credential
        assert problem["code"] in {"api_key_invalid", "token_invalid"}
    assert (await good.call("GET", "/api/v1/orders"))[0] == 200
    guarded.watch.ahead += 86_400 + 1
    status, problem, _ = await good.call("GET", "/api/v1/orders")
    assert (status, problem["code"]) == (401, "api_key_invalid")


async def test_a_disabled_account_s_key_rests(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    shop = await guarded.account("shop", Role.PARTNER)
    program = await guarded.program(shop, Scope.ORDERS_READ)
    assert (await program.call("GET", "/api/v1/orders"))[0] == 200
    await admin.call("POST", f"{ACCOUNTS}/{shop}/disable")
    assert (await program.call("GET", "/api/v1/orders"))[0] == 401
    await admin.call("POST", f"{ACCOUNTS}/{shop}/enable")
    guarded.watch.ahead += MEMORY_SECONDS + 1
    assert (await program.call("GET", "/api/v1/orders"))[0] == 200


async def test_a_live_oracle_makes_and_takes_live_keys(ledger: Ledger) -> None:
    async with guarded_oracle(ledger, api_key_kind="live") as guarded:
        admin = await guarded.person("root", Role.ADMIN)
        shop = await guarded.account("shop", Role.PARTNER)
        secret = (await key_of(admin, shop, "orders:read"))["secret"]
        assert secret.startswith("bck_live_")
        live = Person(guarded.client, shop, secret)
        assert (await live.call("GET", "/api/v1/orders"))[0] == 200
        test = await guarded.program(shop, Scope.ORDERS_READ)
        assert (await test.call("GET", "/api/v1/orders"))[0] == 401


async def test_an_account_has_an_end_of_keys(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    for _ in range(MAX_GOOD_KEYS):
        await guarded.program(admin.account_id, Scope.ORDERS_READ)
    status, problem, _ = await admin.call(
        "POST",
        f"{ACCOUNTS}/{admin.account_id}/keys",
        json={"name": "one more", "scopes": ["orders:read"]},
    )
    assert (status, problem["code"]) == (409, "too_many_api_keys")
    for body in (
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "scopes": ["orders:read", "orders:read"]},
        {"name": "x\n", "scopes": ["orders:read"]},
        {"name": "x", "scopes": ["orders:read"], "expiresInDays": 0},
        {"name": "x", "scopes": ["orders:read"], "expiresInDays": 100_000},
    ):
        path = f"{ACCOUNTS}/{admin.account_id}/keys"
        assert (await admin.call("POST", path, json=body))[0] == 400


async def test_keys_that_are_made_at_once_do_not_pass_the_end(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    path, wanted = f"{ACCOUNTS}/{admin.account_id}/keys", {"name": "x", "scopes": ["orders:read"]}
    asked = [admin.call("POST", path, json=wanted) for _ in range(2 * MAX_GOOD_KEYS)]
    made = [status for status, _, _ in await asyncio.gather(*asked) if status == 201]
    assert len(made) == MAX_GOOD_KEYS


async def test_asked_a_thousand_times_a_key_is_looked_up_once(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await guarded.account("shop", Role.PARTNER)
    good = await guarded.program(shop, Scope.PAYMENTS_VALIDATE)
    wrong = Person(guarded.client, shop, "bck_test_" + "x" * 43)
    looked_up: list[bytes] = []
    database = guarded.client.oracle._entrance.authenticator._database
    writing = database.writing

    def counting(**options: Any) -> Any:
        looked_up.append(b"")
        return writing(**options)

    monkeypatch.setattr(database, "writing", counting)
    for person, status in ((good, 200), (wrong, 401)):
        looked_up.clear()
        for _ in range(50):
            assert (await person.call("POST", VALIDATE, json=QUESTION))[0] == status
        assert len(looked_up) == 1


async def test_a_wrong_key_still_gets_the_three_fields_of_a_validation(guarded: Guarded) -> None:
    wrong = Person(guarded.client, "", "bck_test_" + "x" * 43)
    status, answer, _ = await wrong.call("POST", VALIDATE, json=QUESTION)
    assert (status, answer["valid"], answer["error"]) == (401, False, "api_key_invalid")
    assert answer["contact"] == OFFICE


async def test_every_change_is_in_the_audit_log_and_no_secret_is(guarded: Guarded) -> None:
    admin = await guarded.person("root", Role.ADMIN)
    _, shop = await made(admin, name="shop", roles=["partner"], password=PASSWORD)
    path = f"{ACCOUNTS}/{shop['id']}"
    key = await key_of(admin, shop["id"], "orders:read")
    await admin.call("POST", f"{path}/keys/{key['id']}/revoke")
    await admin.call("POST", f"{path}/roles", json={"roles": ["auditor"]})
    await admin.call("POST", f"{path}/password", json={"password": "another phrase"})
    await admin.call("POST", f"{path}/disable")
    await admin.call("POST", f"{path}/enable")
    connection = guarded.ledger.connection
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        entries = await read_audit_page(
            connection, before_seq=None, actor=admin.account_id, subject=None, limit=100
        )
        assert (await check_audit_log(connection))[2] is None
    assert [entry.entry.action for entry in reversed(entries)] == [
        *("account.created", "api_key.created", "api_key.revoked", "account.roles_changed"),
        *("account.password_changed", "account.disabled", "account.enabled"),
    ]
    assert all(str(entry.entry.request_id).startswith("req_") for entry in entries)
    for secret in (PASSWORD, "another phrase", key["secret"], "$argon2"):
        assert secret not in str(entries)


async def command(
    *arguments: str, stdin: str = "", code: int = 0, **variables: str
) -> tuple[str, str]:
    """Run a command as the console script does; what it prints and what it complains of."""
    runner = CliRunner(env={"BILLCOIN_OFFICE_CONTACT": "room 7", **variables})
    done = await asyncio.to_thread(runner.invoke, app, arguments, input=stdin)
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.stdout, done.stderr


async def test_the_first_admin_is_made_by_command(guarded: Guarded) -> None:
    database = {"DATABASE_URL": guarded.ledger.url}
    create = ("accounts", "create", "root", "--role", "admin", "--password-stdin", "--json")
    out, _ = await command(*create, stdin=PASSWORD + "\n", **database)
    root = json.loads(out)
    assert (root["name"], root["roles"], root["hasPassword"]) == ("root", ["admin"], True)
    tokens = await guarded.signed_in("root")
    person = Person(guarded.client, root["id"], tokens["access_token"])
    assert (await person.call("GET", ACCOUNTS))[0] == 200
    _, errors = await command(*create, stdin=PASSWORD + "\n", code=1, **database)
    assert "there is an account of that name already" in errors
    key = ("accounts", "create-key", "root", "--scope", "orders:read", "--json")
    out, _ = await command(*key, **database)
    program = Person(guarded.client, root["id"], json.loads(out)["secret"])
    assert (await program.call("GET", "/api/v1/orders"))[0] == 200
    out, _ = await command("accounts", "revoke-key", "root", json.loads(out)["id"], **database)
    assert "revokedAt: 20" in out
    out, _ = await command("accounts", "show", "root", "--json", **database)
    assert PASSWORD not in out
    assert len(json.loads(out)["keys"]) == 1
    for last in (("disable", "root"), ("set-roles", "root", "--role", "finance")):
        _, errors = await command("accounts", *last, code=1, **database)
        assert "no admin could sign in any more" in errors
    second = await guarded.account("second", Role.ADMIN)
    out, _ = await command("accounts", "disable", root["id"], **database)
    assert "isEnabled: False" in out
    out, _ = await command("accounts", "list", **database)
    assert out == f"{second}  second  admin\n{root['id']}  root  admin  disabled\n"


async def test_the_office_cannot_lock_itself_out(guarded: Guarded) -> None:
    root = await guarded.person("root", Role.ADMIN, Role.FINANCE)
    path = f"{ACCOUNTS}/{root.account_id}"
    # Neither who is no admin, nor who is disabled, nor who cannot sign in is any help.
    await guarded.account("finance", Role.FINANCE)
    gone = await guarded.account("gone", Role.ADMIN)
    assert (await root.call("POST", f"{ACCOUNTS}/{gone}/disable"))[0] == 200
    body = {"name": "program", "roles": ["admin"]}
    _, program, _ = await root.call("POST", ACCOUNTS, json=body)
    for last in (("disable", None), ("roles", {"roles": ["finance"]})):
        status, problem, _ = await root.call("POST", f"{path}/{last[0]}", json=last[1])
        assert (status, problem["code"]) == (409, "last_admin")
        assert (problem["retryable"], problem["param"]) == (False, None)
    assert (await root.call("GET", path))[1]["isEnabled"] is True
    # What leaves it an admin is none of this, nor what others are.
    assert (await root.call("POST", f"{path}/roles", json={"roles": ["admin"]}))[0] == 200
    assert (await root.call("POST", f"{ACCOUNTS}/{program['id']}/disable"))[0] == 200
    assert (await root.call("POST", f"{ACCOUNTS}/{gone}/enable"))[0] == 200
    assert (await root.call("POST", f"{path}/disable"))[0] == 200


async def test_two_admins_that_disable_each_other_at_once_leave_one(guarded: Guarded) -> None:
    """Or that take the role from each other; whoever is second is refused, each time."""
    for attempt in range(4):
        pair = [await guarded.person(f"admin-{attempt}-{one}", Role.ADMIN) for one in range(2)]
        for other in await guarded.ledger.connection.fetch(
            "SELECT id FROM account WHERE id <> ALL ($1)", [one.account_id for one in pair]
        ):
            await guarded.ledger.connection.execute(
                "UPDATE account SET disabled_at = now() WHERE id = $1", other["id"]
            )
        what, body = [("disable", None), ("roles", {"roles": ["finance"]})][attempt % 2]
        # Both are let in and come to the lock before either has changed anything.
        gate = guarded.ledger.connection.transaction()
        await gate.start()
        await guarded.ledger.connection.execute(LOCK_ADMINS)
        asking = [
            asyncio.create_task(
                asker.call("POST", f"{ACCOUNTS}/{asked.account_id}/{what}", json=body)
            )
            for asker, asked in (pair, reversed(pair))
        ]
        await until_waiting(guarded.ledger.url, 2)
        await gate.commit()
        answers = await asyncio.gather(*asking)
        assert sorted(status for status, _, _ in answers) == [200, 409]
        assert {problem["code"] for status, problem, _ in answers if status == 409} == {
            "last_admin"
        }
        left = await guarded.ledger.connection.fetchval(
            "SELECT count(*) FROM account WHERE 'admin' = ANY (roles) AND disabled_at IS NULL"
        )
        assert left == 1


async def until_waiting(url: str, count: int) -> None:
    """Until so many transactions wait for an advisory lock."""
    watching = await connect(url, application_name="test")
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    async with asyncio.timeout(20):
        while await watching.fetchval(query) < count:  # noqa: ASYNC110 - a lock sets no event
            await asyncio.sleep(0.005)
    await watching.close()


async def test_a_command_that_is_refused_says_why_and_whom_to_ask(ledger: Ledger) -> None:
    database = {"DATABASE_URL": ledger.url}
    for arguments, stdin, told in (
        (
            ("show", "nobody"),
            "",
            "there is no such account; ask the administrative office (room 7)",
        ),
        (("create", "Ada", "--role", "student", "--no-password"), "", "a name has 2 to 64"),
        (("create", "till", "--role", "till", "--no-password"), "", "a till belongs to a store"),
        (("create", "ada", "--role", "student", "--password-stdin"), "short\n", "12 to 200"),
    ):
        _, errors = await command("accounts", *arguments, stdin=stdin, code=1, **database)
        assert told in errors
    _, errors = await command("accounts", "list", code=1, DATABASE_URL=ANYWHERE)
    assert "the database does not answer" in errors


async def test_token_keys_are_made_rotated_and_dropped_by_command(tmp_path: Path) -> None:
    file = tmp_path / "token-keys.json"
    keys = {"BILLCOIN_TOKEN_KEYS_FILE": str(file)}
    first = (await command("keys", "new", **keys))[0].strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (await command("keys", "new", "--if-missing", **keys))[0] == ""
    second = (await command("keys", "new", **keys))[0].strip()
    assert (await command("keys", "list", **keys))[0].split() == [first, second]
    await command("keys", "use", second, **keys)
    assert load_token_keys(file).signing.kid == second
    await command("keys", "drop", first, **keys)
    assert (await command("keys", "list", **keys))[0].split() == [second]
    for arguments in (("use", first), ("drop", second)):
        await command("keys", *arguments, code=1, **keys)


async def test_a_file_of_token_keys_outlives_the_process(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "token-keys.json"
    add_key(file)
    tokens = []
    for _ in range(2):
        async with guarded_oracle(ledger, token_keys_file=file) as guarded:
            if not tokens:
                ada = await guarded.person("ada", Role.STUDENT)
                tokens.append(ada.credential)
            again = Person(guarded.client, "", tokens[0])
            assert (await again.call("GET", f"{ACCOUNTS}/me"))[0] == 200


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (None, 0o644, "chmod 600"),
        (None, 0o620, "chmod 600"),
        ('{"keys": []}', 0o600, "1 to 16"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0LXdvcmQ"}]}', 0o600, "no JSON Web Key Set"),
        ("secret-word", 0o600, "no JSON Web Key Set"),
    ],
)
def test_a_file_of_token_keys_is_read_strictly(
    tmp_path: Path, content: str | None, mode: int, complaint: str
) -> None:
    file = tmp_path / "token-keys.json"
    add_key(file)
    if content is not None:
        file.write_text(content)
    file.chmod(mode)
    with pytest.raises(RejectedError) as refusal:
        load_token_keys(file)
    assert complaint in str(refusal.value)
    assert "secret-word" not in str(refusal.value)


def test_beyond_loopback_access_is_closed_and_keys_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for host in ("0.0.0.0", "::", "192.168.1.5", "oracle"):  # noqa: S104 - to be refused
        for changes in ({"access": "open"}, {"access": "open", "token_keys_file": file}):
            with pytest.raises(RejectedError, match="BILLCOIN_ACCESS=open"):
                check_access(settings_for(ANYWHERE, **changes), host=host)
        with pytest.raises(RejectedError, match="BILLCOIN_TOKEN_KEYS_FILE"):
            check_access(settings_for(ANYWHERE, access="accounts"), host=host)
        check_access(settings_for(ANYWHERE, access="accounts", token_keys_file=file), host=host)
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        check_access(settings_for(ANYWHERE, access="open"), host=host)


async def test_the_process_refuses_to_be_open_to_the_network() -> None:
    variables = environment_for(ANYWHERE) | {
        "BILLCOIN_ORACLE_HOST": "0.0.0.0",  # noqa: S104 - to be refused
        "BILLCOIN_ACCESS": "open",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "oracle_api", "serve"),
        env=variables,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"BILLCOIN_ACCESS=open" in errors
    assert b"Traceback" not in errors
