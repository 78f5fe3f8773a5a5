"""Every error about an account, a sign-in, a credential or a wallet says whom to ask (US-009)."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from access_support import OFFICE, PASSWORD, Guarded, Person, guarded_oracle
from eth_account import Account
from eth_account.messages import encode_defunct
from oracle_support import Ledger
from typer.testing import CliRunner

from oracle_api.__main__ import app
from oracle_api.access import passwords
from oracle_api.access.access_tokens import LIFETIME_SECONDS
from oracle_api.access.attempts import BY_NAME
from oracle_api.access.office import ACCOUNT_CODES
from oracle_api.access.principal import Role, Scope
from oracle_api.accounts.service import MAX_GOOD_KEYS
from oracle_api.wallets import service as wallets
from oracle_api.wallets.vault import add_wallet_key

ROOT: Final = Path(__file__).parents[2]
ABOUT_ACCOUNTS: Final = ("access", "accounts", "tokens", "wallets")
NOT_ABOUT_THEM: Final = frozenset(
    {"setting_wrong", "file_unwritable", "route_not_found", "field_missing", "host_unknown"}
)
"""Said there too, and about something else: the operator's files, the form of a request."""

WORDS: Final = f"{OFFICE['name']} ({OFFICE['contact']})"
ACCOUNTS: Final = "/api/v1/accounts"
ME: Final = f"{ACCOUNTS}/me"
WALLETS: Final = "/api/v1/wallets"
NOBODY: Final = "0" * 26


class Told:
    """The refusals that somebody has got, each looked at."""

    def __init__(self) -> None:
        self.codes: set[str] = set()

    def by(self, got: tuple[int, Any, dict[str, str]], code: str) -> None:
        status, problem, _ = got
        assert status >= 400, problem
        assert problem["code"] == code
        assert problem["contact"] == OFFICE, code
        assert WORDS in problem["detail"], code
        self.codes.add(code)


async def credentials(guarded: Guarded, told: Told) -> None:
    """What is no good to get in with, or not good enough."""
    client = guarded.client
    told.by(await client.call("GET", ME), "credentials_missing")
    told.by(await Person(client, "", "x.y.z").call("GET", ME), "token_invalid")
    told.by(await Person(client, "", "bck_test_guess").call("GET", ME), "api_key_invalid")
    told.by(await Person(client, "", "bck_live_other").call("GET", ME), "api_key_invalid")
    student = await guarded.person("student", Role.STUDENT)
    told.by(await student.call("GET", ACCOUNTS), "role_missing")
    partner = await guarded.account("partner", Role.PARTNER)
    program = await guarded.program(partner, Scope.ORDERS_READ)
    told.by(await program.call("GET", "/api/v1/webhooks"), "scope_missing")
    told.by(await program.call("GET", ME), "scope_missing")
    guarded.watch.ahead += LIFETIME_SECONDS + 120
    told.by(await student.call("GET", ME), "token_expired")


async def sign_ins(guarded: Guarded, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"grant_type": "password", "username": "nobody", "password": PASSWORD}
    for _ in range(BY_NAME.limit):
        told.by(await guarded.grant(**wrong), "credentials_wrong")
    told.by(await guarded.grant(**wrong), "sign_in_too_often")
    stale = {"grant_type": "refresh_token", "refresh_token": "x"}
    told.by(await guarded.grant(**stale), "refresh_token_invalid")
    with monkeypatch.context() as patched:
        patched.setattr(passwords, "MAX_WAITING", 0)
        told.by(await guarded.grant(**wrong | {"username": "other"}), "sign_in_busy")


async def accounts(guarded: Guarded, told: Told) -> None:
    """What even an admin cannot do."""
    admin = await guarded.person("root", Role.ADMIN)

    async def post(path: str, **body: Any) -> tuple[int, Any, dict[str, str]]:
        return await admin.call("POST", f"{ACCOUNTS}{path}", json=body)

    told.by(await admin.call("GET", f"{ACCOUNTS}/acc_{NOBODY}"), "account_not_found")
    own = f"/{admin.account_id}"
    told.by(await post(f"{own}/keys/key_{NOBODY}/revoke"), "api_key_not_found")
    told.by(await post("", name="root", roles=["student"]), "account_name_taken")
    told.by(await post("", name="till", roles=["till"]), "store_needed")
    told.by(await post("", name="ada", roles=["student"], password="short"), "password_unfit")
    told.by(await post(f"{own}/password", password="short"), "password_unfit")
    told.by(await post(f"{own}/disable"), "last_admin")
    told.by(await post(f"{own}/roles", roles=["student"]), "last_admin")
    key = {"name": "k", "scopes": ["orders:read"]}
    for _ in range(MAX_GOOD_KEYS):
        assert (await post(f"{own}/keys", **key))[0] == 201
    told.by(await post(f"{own}/keys", **key), "too_many_api_keys")


async def links(guarded: Guarded, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wallets that stay unlinked."""
    ada = await guarded.person("ada", Role.STUDENT)
    ben = await guarded.person("ben", Role.STUDENT)
    wallet, other = (Account.from_key(bytes([one]) * 32) for one in (1, 2))

    async def link(person: Person, account: Any) -> tuple[int, Any, dict[str, str]]:
        asked = {"address": account.address}
        _, made, _ = await person.call("POST", f"{WALLETS}/challenge", json=asked)
        signed = account.sign_message(encode_defunct(text=made["message"]))
        answer = {"nonce": made["nonce"], "signature": "0x" + bytes(signed.signature).hex()}
        return await person.call("POST", WALLETS, json=answer)

    assert (await link(ada, wallet))[0] == 201
    told.by(await link(ben, wallet), "wallet_linked_elsewhere")
    told.by(await ben.call("DELETE", f"{WALLETS}/wal_{NOBODY}"), "wallet_not_found")
    with monkeypatch.context() as patched:
        patched.setattr(wallets, "MAX_WALLETS", 1)
        told.by(await link(ada, other), "too_many_wallets")
    unanswered = {"nonce": "0" * 32, "signature": "0x" + "11" * 65}
    told.by(await ben.call("POST", WALLETS, json=unanswered), "signature_invalid")


async def commands(guarded: Guarded, told: Told) -> None:
    """What only a command lets one try: over HTTP the form of the request says it."""
    variables = {
        "DATABASE_URL": guarded.ledger.url,
        "BILLCOIN_OFFICE_NAME": OFFICE["name"],
        "BILLCOIN_OFFICE_CONTACT": OFFICE["contact"],
    }
    runner = CliRunner(env=variables)
    for code, arguments, complaint in (
        ("account_name_invalid", ("Ada", "--role", "student"), "a name has 2 to 64"),
        ("store_invalid", ("till", "--role", "till", "--store", "a b"), "a store's id is"),
    ):
        asked = ("accounts", "create", *arguments, "--no-password")
        done = await asyncio.to_thread(runner.invoke, app, asked)
        assert done.exit_code == 1
        assert complaint in done.output
        assert WORDS in done.output
        told.codes.add(code)


async def test_each_of_these_errors_names_the_office(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "wallet-keys"
    add_wallet_key(keys)
    told = Told()
    async with guarded_oracle(ledger, wallet_keys_file=keys) as guarded:
        await credentials(guarded, told)
        await sign_ins(guarded, told, monkeypatch)
        await accounts(guarded, told)
        await links(guarded, told, monkeypatch)
        await commands(guarded, told)
    assert told.codes == ACCOUNT_CODES | {"signature_invalid"}


def raised(path: Path) -> Iterator[tuple[str, str]]:
    """The errors that a module makes, each with its code where that is written there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            code = first.value if isinstance(first, ast.Constant) else ""
            if node.func.id.endswith("Error"):
                yield node.func.id, str(code)


def test_nobody_but_the_office_makes_them() -> None:
    for path in (*(ROOT / "oracle_api").rglob("*.py"), *(ROOT / "ledger").rglob("*.py")):
        if path.name == "office.py":
            continue
        for error, code in raised(path):
            assert error not in {"DeniedError", "ThrottledError", "SignInBusyError"}, path
            assert code not in ACCOUNT_CODES, path
            if error == "RejectedError" and path.parent.name in ABOUT_ACCOUNTS:
                assert code in NOT_ABOUT_THEM, (path, code)
