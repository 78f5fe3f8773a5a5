"""A wallet is linked by its owner's signature over our own message, once, and kept encrypted."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from access_support import Guarded, Person, guarded_oracle
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from oracle_support import CHAIN_ID, Ledger
from typer.testing import CliRunner

from ledger.errors import CorruptError, RejectedError
from oracle_api.__main__ import app
from oracle_api.access.principal import Role
from oracle_api.wallets.service import CHALLENGE_SECONDS, MAX_WALLETS
from oracle_api.wallets.vault import WalletVault, add_wallet_key

WALLETS = "/api/v1/wallets"
KEY: LocalAccount = Account.from_key("0x" + "a1" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "b2" * 32)


@dataclass
class Desk:
    """An oracle that links wallets, and two students."""

    guarded: Guarded
    keys: Path
    ada: Person
    ben: Person


@pytest.fixture
async def desk(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Desk]:
    keys = tmp_path / "wallet-keys"
    add_wallet_key(keys)
    async with guarded_oracle(
        ledger, wallet_keys_file=keys, oracle_names=("pay.example",)
    ) as guarded:
        ada = await guarded.person("ada", Role.STUDENT)
        ben = await guarded.person("ben", Role.STUDENT)
        yield Desk(guarded, keys, ada, ben)


async def challenge(person: Person, key: LocalAccount = KEY, host: str = "pay.example") -> Any:
    status, made, _ = await person.call(
        "POST", f"{WALLETS}/challenge", json={"address": key.address}, headers={"Host": host}
    )
    assert status == 201, made
    return made


def signed(text: str, key: LocalAccount = KEY) -> str:
    return "0x" + bytes(key.sign_message(encode_defunct(text=text)).signature).hex()


async def answer(person: Person, nonce: str, signature: str) -> tuple[int, Any]:
    status, answered, _ = await person.call(
        "POST", WALLETS, json={"nonce": nonce, "signature": signature}
    )
    return status, answered


async def link(person: Person, key: LocalAccount = KEY) -> Any:
    made = await challenge(person, key)
    status, wallet = await answer(person, made["nonce"], signed(made["message"], key))
    assert status == 201, wallet
    return wallet


async def listed(person: Person) -> list[Any]:
    status, page, _ = await person.call("GET", WALLETS)
    assert status == 200, page
    found: list[Any] = page["data"]
    return found


async def test_the_message_is_what_eip_4361_wants(desk: Desk) -> None:
    made = await challenge(desk.ada)
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(
        "pay\\.example wants you to sign in with your Ethereum account:\n"
        f"{KEY.address}\n\n"
        "Link this wallet to the BillCoin account ada\\. Nothing is paid\\.\n\n"
        "URI: https://pay\\.example\nVersion: 1\n"
        f"Chain ID: {CHAIN_ID}\nNonce: {made['nonce']}\n"
        f"Issued At: {moment}\nExpiration Time: {made['expiresAt']}",
        made["message"],
    )
    assert re.fullmatch(r"[0-9a-f]{32}", made["nonce"])


async def test_the_owner_links_lists_masked_and_unlinks(desk: Desk) -> None:
    wallet = await link(desk.ada)
    assert wallet["address"] == f"{KEY.address[:6]}…{KEY.address[-4:]}"
    assert await listed(desk.ada) == [wallet]
    # Twice is as good as once.
    assert (await link(desk.ada))["id"] == wallet["id"]
    status, _, _ = await desk.ada.call("DELETE", f"{WALLETS}/{wallet['id']}")
    assert status == 204
    assert await listed(desk.ada) == []
    status, problem, _ = await desk.ada.call("DELETE", f"{WALLETS}/{wallet['id']}")
    assert (status, problem["code"]) == (404, "wallet_not_found")


async def test_nothing_in_the_database_shows_an_address(desk: Desk) -> None:
    await challenge(desk.ada, OTHER)
    await link(desk.ada)
    connection = desk.guarded.ledger.connection
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        rows = await connection.fetch(f"SELECT t::text FROM {table['tablename']} t")  # noqa: S608
        for row in rows:
            for key in (KEY, OTHER):
                hexadecimal = key.address[2:].lower()
                as_text = key.address.encode().hex()
                assert hexadecimal not in str(row).lower()
                assert as_text not in str(row).lower()


async def test_nobody_sees_or_unlinks_the_wallet_of_another(desk: Desk) -> None:
    wallet = await link(desk.ada)
    assert await listed(desk.ben) == []
    for wallet_id in (wallet["id"], "wal_" + "0" * 26, "x", "%00"):
        status, problem, _ = await desk.ben.call("DELETE", f"{WALLETS}/{wallet_id}")
        assert (status, problem["code"]) == (404, "wallet_not_found")
    assert await listed(desk.ada) == [wallet]


async def test_a_challenge_is_answered_once_even_by_many_at_once(desk: Desk) -> None:
    made = await challenge(desk.ada)
    signature = signed(made["message"])
    answers = await asyncio.gather(*(answer(desk.ada, made["nonce"], signature) for _ in range(12)))
    assert sorted(status for status, _ in answers) == [201] + [400] * 11
    (wallet,) = await listed(desk.ada)
    await desk.ada.call("DELETE", f"{WALLETS}/{wallet['id']}")
    # Replayed after all: the same signature links nothing again.
    assert (await answer(desk.ada, made["nonce"], signature))[0] == 400
    assert await listed(desk.ada) == []


async def refused(person: Person, nonce: str, signature: str) -> None:
    status, problem = await answer(person, nonce, signature)
    assert (status, problem["code"]) == (400, "signature_invalid"), problem


async def test_a_wrong_answer_uses_the_challenge_up(desk: Desk) -> None:
    made = await challenge(desk.ada)
    await refused(desk.ada, made["nonce"], signed(made["message"], OTHER))
    await refused(desk.ada, made["nonce"], signed(made["message"]))


async def test_only_the_account_that_asked_may_answer(desk: Desk) -> None:
    """Else whoever sees somebody's signature could take the wallet for their own account."""
    made = await challenge(desk.ada)
    await refused(desk.ben, made["nonce"], signed(made["message"]))
    status, _ = await answer(desk.ada, made["nonce"], signed(made["message"]))
    assert status == 201


async def test_a_signature_for_another_site_chain_or_account_links_nothing(desk: Desk) -> None:
    for before, after in (
        ("pay.example wants", "evil.example wants"),
        ("https://pay.example", "https://evil.example"),
        (f"Chain ID: {CHAIN_ID}", "Chain ID: 1"),
        ("account ada", "account ben"),
        ("Version: 1", "Version: 2"),
        ("Nonce: ", "Nonce: 0"),
        ("Nothing is paid.", "Nothing is paid. "),
    ):
        made = await challenge(desk.ada)
        changed = made["message"].replace(before, after)
        assert changed != made["message"]
        await refused(desk.ada, made["nonce"], signed(changed))


async def test_a_challenge_under_one_name_of_ours_is_not_one_under_another(desk: Desk) -> None:
    here = await challenge(desk.ada, host="pay.example")
    there = await challenge(desk.ada, host="localhost:8400")
    assert "URI: http://localhost:8400\n" in there["message"]
    await refused(desk.ada, there["nonce"], signed(here["message"]))
    # A name of somebody else's never gets a message at all.
    status, problem, _ = await desk.ada.call(
        "POST",
        f"{WALLETS}/challenge",
        json={"address": KEY.address},
        headers={"Host": "evil.example"},
    )
    assert (status, problem["code"]) == (421, "host_unknown")


async def test_a_challenge_has_five_minutes(desk: Desk) -> None:
    made = await challenge(desk.ada)
    desk.guarded.watch.ahead += CHALLENGE_SECONDS + 1
    await refused(desk.ada, made["nonce"], signed(made["message"]))


async def test_nonsense_is_no_signature(desk: Desk) -> None:
    for signature in (
        "0x" + "00" * 65,
        "0x" + "ff" * 65,
        "0x" + "11" * 64 + "1b",
        "0x" + "11" * 64 + "99",
    ):
        made = await challenge(desk.ada)
        await refused(desk.ada, made["nonce"], signature)
    for nonce, signature in (
        ("0" * 32, "0x"),
        ("0" * 32, "0x" + "0" * 131),
        ("x", "0x" + "0" * 130),
        ("0" * 33, "0x" + "0" * 130),
    ):
        assert (await answer(desk.ada, nonce, signature))[0] == 400
    for address in ("", "0x", KEY.address[:-1], KEY.address + "00", "ada.eth", "0x" + "g" * 40):
        status, _, _ = await desk.ada.call(
            "POST", f"{WALLETS}/challenge", json={"address": address}
        )
        assert status == 400


async def test_a_wallet_belongs_to_one_account(desk: Desk) -> None:
    await link(desk.ada)
    made = await challenge(desk.ben)
    status, problem = await answer(desk.ben, made["nonce"], signed(made["message"]))
    assert (status, problem["code"]) == (409, "wallet_linked_elsewhere")
    assert "ada" not in str(problem)


async def test_an_account_has_an_end_of_wallets_and_of_challenges(desk: Desk) -> None:
    keys = [Account.from_key(bytes([index + 1]) * 32) for index in range(MAX_WALLETS + 1)]
    for key in keys[:-1]:
        await link(desk.ada, key)
    made = await challenge(desk.ada, keys[-1])
    status, problem = await answer(desk.ada, made["nonce"], signed(made["message"], keys[-1]))
    assert (status, problem["code"]) == (409, "too_many_wallets")
    first = await challenge(desk.ben)
    for _ in range(5):
        last = await challenge(desk.ben)
    count = "SELECT count(*) FROM wallet_challenge WHERE account_id = $1"
    connection = desk.guarded.ledger.connection
    assert await connection.fetchval(count, desk.ben.account_id) == 5
    await refused(desk.ben, first["nonce"], signed(first["message"]))
    assert (await answer(desk.ben, last["nonce"], signed(last["message"], OTHER)))[0] == 400


async def test_keys_rotate_with_the_command_and_the_old_one_can_go(desk: Desk) -> None:
    wallet = await link(desk.ada)
    old_line = desk.keys.read_text().splitlines()[0]
    fresh = (await command("new-key", "--file", str(desk.keys))).strip()
    variables = {"DATABASE_URL": desk.guarded.ledger.url}
    for done in (1, 0):
        told = await command("rotate", "--file", str(desk.keys), **variables)
        assert told == f"{done} addresses encrypted with {fresh}\n"
    rest = desk.keys.read_text().replace(old_line + "\n", "")
    desk.keys.write_text(rest)
    async with guarded_oracle(desk.guarded.ledger, wallet_keys_file=desk.keys) as guarded:
        again = Person(guarded.client, "", (await guarded.signed_in("ada"))["access_token"])
        assert await listed(again) == [wallet]


async def command(*arguments: str, **variables: str) -> str:
    runner = CliRunner(env=variables)
    done = await asyncio.to_thread(runner.invoke, app, ("wallets", *arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_was_sealed_for_one_account_does_not_open_for_another(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add_wallet_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    vault = WalletVault.from_file(path)
    sealed = vault.seal(b"address", account_id="acc_1")
    assert vault.open(sealed, account_id="acc_1") == b"address"
    assert vault.seal(b"address", account_id="acc_1") != sealed
    for tampered, account_id in ((sealed, "acc_2"), (sealed[:-1] + b"\0", "acc_1")):
        with pytest.raises(CorruptError):
            vault.open(tampered, account_id=account_id)
    other = tmp_path / "other"
    add_wallet_key(other)
    assert vault.digest(b"a") == WalletVault.from_file(path).digest(b"a")
    assert vault.digest(b"a") != WalletVault.from_file(other).digest(b"a")


def test_a_file_of_keys_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add_wallet_key(path)
    path.chmod(0o644)
    with pytest.raises(RejectedError, match="chmod 600"):
        WalletVault.from_file(path)
    path.chmod(0o600)
    path.write_text(path.read_text().replace("lookup", "other"))
    with pytest.raises(RejectedError, match="lookup"):
        WalletVault.from_file(path)
