"""A devnet's oracle has keys for all that it encrypts, and the same ones at the next start."""

from pathlib import Path

import pytest

from devnet.sealing_keys import sealing_variables
from oracle_api.access.keyring import Keyring
from oracle_api.wallets.vault import VARIABLE, WalletVault

WEBHOOK_KEYS = "BILLCOIN_WEBHOOK_KEYS_FILE"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, WEBHOOK_KEYS, "BILLCOIN_WEBHOOK_ALLOW_PRIVATE"):
        monkeypatch.delenv(name, raising=False)


def test_webhooks_and_wallets_can_be_had_and_outlive_a_restart(tmp_path: Path) -> None:
    made = sealing_variables(tmp_path)
    assert made["BILLCOIN_WEBHOOK_ALLOW_PRIVATE"] == "true"
    secret = Keyring.from_file(Path(made[WEBHOOK_KEYS]), WEBHOOK_KEYS).seal(b"s", context="whs_1")
    vault = WalletVault.from_file(Path(made[VARIABLE]))
    address, digest = vault.seal(b"a", account_id="acc_1"), vault.digest(b"a")
    again = sealing_variables(tmp_path)
    assert again == made
    keyring = Keyring.from_file(Path(again[WEBHOOK_KEYS]), WEBHOOK_KEYS)
    assert keyring.open(secret, context="whs_1") == b"s"
    vault = WalletVault.from_file(Path(again[VARIABLE]))
    assert (vault.open(address, account_id="acc_1"), vault.digest(b"a")) == (b"a", digest)


def test_what_the_environment_says_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/etc/billcoin/wallet-keys")
    assert VARIABLE not in sealing_variables(tmp_path)
