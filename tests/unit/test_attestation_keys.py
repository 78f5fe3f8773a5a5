"""Signing keys: private files only, made, rotated and revoked by commands, never shown."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner

from devnet.attestation_key import KEYS_NAME, attestation_signer
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from oracle_api.__main__ import app
from oracle_api.attestations import commands
from oracle_api.attestations.keys import KeyRing, open_key_ring
from oracle_api.attestations.signer import recover, sign_checked
from oracle_api.settings import Settings

KEY = "0x" + "a7" * 32
OTHER = "b8" * 32
VERIFIER = "0x" + "5e" * 20


def settings(**changes: Any) -> Settings:
    names = ("token", "vault_factory", "vault_implementation", "treasury")
    addresses = {f"{name}_address": VERIFIER for name in names}
    values = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/nothing",
        "chain_id": 1,
        "attestation_verifier_address": VERIFIER,
    }
    return Settings(**(values | addresses | changes))


def ring(**changes: Any) -> KeyRing:
    opened = open_key_ring(settings(**changes))
    assert opened is not None
    return opened


def refusal(**changes: Any) -> str:
    with pytest.raises(RejectedError) as refused:
        open_key_ring(settings(**changes))
    assert refused.value.code == "setting_wrong"
    return str(refused.value)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["attestation-keys", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture(autouse=True)
def _no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(commands.PASSWORD_VARIABLE, raising=False)


async def test_the_first_of_the_environment_s_keys_signs() -> None:
    opened = ring(attestation_keys=f" {KEY},{OTHER} ")
    signature = await sign_checked(opened.signer, b"\x11" * 32)
    assert to_hex(opened.signer.address) == Account.from_key(KEY).address.lower()
    assert recover(b"\x11" * 32, signature) == opened.signer.address
    assert [to_hex(one.address) for one in opened.known] == [
        Account.from_key(key).address.lower() for key in (KEY, OTHER)
    ]


def test_keys_are_never_in_a_message_or_a_representation() -> None:
    opened = settings(attestation_keys=KEY)
    shown = repr(opened) + str(opened.describe()) + repr(open_key_ring(opened))
    assert "a7" * 16 not in shown
    for wrong in (KEY[:-1], KEY + "00", "a7" * 31 + "zz", "0x" + "00" * 32, "0x" + "ff" * 32):
        assert "a7a7" not in refusal(attestation_keys=wrong)
    assert "twice" in refusal(attestation_keys=f"{KEY},{KEY}")


def test_keys_and_contract_go_together() -> None:
    assert open_key_ring(settings(attestation_verifier_address=None)) is None
    assert "VERIFIER_ADDRESS is set, but" in refusal()
    assert "need BILLCOIN_ATTESTATION_VERIFIER_ADDRESS" in refusal(
        attestation_keys=KEY, attestation_verifier_address=None
    )
    assert "not both" in refusal(attestation_keys=KEY, attestation_keys_file="keys.json")
    assert "no key" in refusal(attestation_keys=" , ")


def test_a_new_key_s_file_is_its_owner_s_alone(path: Path) -> None:
    address = run("new", "--file", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert to_hex(ring(attestation_keys_file=path).signer.address) == address.lower()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o601])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    run("new", "--file", str(path))
    path.chmod(mode)
    assert "may be read by others" in refusal(attestation_keys_file=path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "null", '"x"', '{"format": "billcoin-attestation-keys/1"}'),
        '{"format": "billcoin-attestation-keys/2", "keys": []}',
        '{"format": "billcoin-attestation-keys/1", "keys": [1]}',
        '{"format": "billcoin-attestation-keys/1", "keys": {}}',
    ],
)
def test_a_file_of_something_else_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    assert "is no file of billcoin-attestation-keys/1" in refusal(attestation_keys_file=path)


def test_a_missing_file_or_a_folder_is_refused(path: Path) -> None:
    assert "No such file" in refusal(attestation_keys_file=path)
    assert str(path.parent) in refusal(attestation_keys_file=path.parent)


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"format": "billcoin-attestation-keys/1", "keys": entries}))
    path.chmod(0o600)
    return path


def test_an_entry_must_be_whole_and_its_own(path: Path) -> None:
    address = Account.from_key(KEY).address
    other = Account.from_key(OTHER).address
    for entry, words in (
        ({"privateKey": KEY}, "has no address"),
        ({"address": "0x12", "privateKey": KEY}, "has no address"),
        ({"address": address}, "is no private key"),
        ({"address": other, "privateKey": KEY}, "is not that of"),
        ({"address": address, "keystore": {"version": 3}}, "is encrypted"),
        ({"address": address, "revokedAt": "2026-01-01T00:00:00Z"}, "no key that may sign"),
    ):
        assert words in refusal(attestation_keys_file=write(path, entry))
    assert "does not open" in refusal(
        attestation_keys_file=write(path, {"address": address, "keystore": {"version": 3}}),
        attestation_keys_password="milk",
    )


def test_an_encrypted_key_opens_with_its_password(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt = Account.encrypt
    monkeypatch.setattr(
        Account,
        "encrypt",
        lambda key, password: encrypt(key, password, kdf="pbkdf2", iterations=2),
    )
    monkeypatch.setenv(commands.PASSWORD_VARIABLE, "fresh milk")
    address = run("new", "--file", str(path))
    assert "privateKey" not in path.read_text()
    opened = ring(attestation_keys_file=path, attestation_keys_password="fresh milk")
    assert to_hex(opened.signer.address) == address.lower()
    assert "does not open" in refusal(
        attestation_keys_file=path, attestation_keys_password="sour milk"
    )


def test_keys_rotate_and_are_revoked_by_commands(path: Path) -> None:
    first, second = (run("new", "--file", str(path)) for _ in range(2))
    assert run("list", "--file", str(path)) == f"{first} signs\n{second} waits"

    run("use", second.lower(), "--file", str(path))
    assert run("list", "--file", str(path)) == f"{second} signs\n{first} waits"
    assert to_hex(ring(attestation_keys_file=path).signer.address) == second.lower()

    secret = next(
        entry["privateKey"]
        for entry in json.loads(path.read_text())["keys"]
        if entry["address"] == first
    )
    run("revoke", first, "--file", str(path))
    assert secret.removeprefix("0x") not in path.read_text()
    assert f"{first} revoked 20" in run("list", "--file", str(path))
    known = {to_hex(one.address): one for one in ring(attestation_keys_file=path).known}
    assert known[first.lower()].revoked_at is not None
    assert known[second.lower()].revoked_at is None

    for arguments in (("use", first), ("use", "0x" + "99" * 20), ("revoke", "milk.eth")):
        result = CliRunner().invoke(app, ["attestation-keys", *arguments, "--file", str(path)])
        assert result.exit_code == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_devnet_s_key_is_one_that_the_oracle_reads(tmp_path: Path) -> None:
    signer = attestation_signer(tmp_path)
    assert attestation_signer(tmp_path) == signer
    assert ring(attestation_keys_file=tmp_path / KEYS_NAME).signer.address == signer


def test_serve_refuses_wrong_keys_before_it_starts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/nothing",
        "BILLCOIN_CHAIN_ID": "1",
        "BILLCOIN_TOKEN_ADDRESS": VERIFIER,
        "BILLCOIN_VAULT_FACTORY_ADDRESS": VERIFIER,
        "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": VERIFIER,
        "BILLCOIN_TREASURY_ADDRESS": VERIFIER,
        "BILLCOIN_ATTESTATION_VERIFIER_ADDRESS": VERIFIER,
        "BILLCOIN_ATTESTATION_KEYS_FILE": str(path),
    }.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 2
    assert "No such file" in result.output
