"""What the relay offers for gas, whose key it takes, and what it never shows."""

from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as some

from ledger.errors import RejectedError
from oracle_api.problems import UnavailableError
from oracle_api.relay.fees import Fees, fees_for, replacement_fees
from oracle_api.relay.key_file import read_relayer_key
from oracle_api.relay.settings import RelaySettings
from oracle_api.relay.signer import FileSigner, signer_of

WEI = some.integers(0, 10**15)
KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@given(WEI, WEI, WEI)
def test_an_offer_pays_the_next_block_and_keeps_to_the_cap(base: int, tip: int, cap: int) -> None:
    if base + tip > cap:
        with pytest.raises(UnavailableError) as refusal:
            fees_for(base, tip, cap_wei=cap)
        assert refusal.value.code == "gas_too_dear"
        return
    fees = fees_for(base, tip, cap_wei=cap)
    assert base + tip <= fees.max_fee_wei <= cap
    assert fees.tip_wei <= fees.max_fee_wei


@given(WEI, WEI, WEI, WEI, WEI)
def test_a_replacement_is_one_that_every_node_takes(
    offered: int, offered_tip: int, base: int, tip: int, cap: int
) -> None:
    old = Fees(max(offered, offered_tip), offered_tip)
    new = replacement_fees(old, base, tip, cap_wei=cap)
    if new is None:
        return
    assert new.max_fee_wei <= cap
    assert new.tip_wei <= new.max_fee_wei
    # The strictest node wants an eighth more of both.
    assert new.max_fee_wei * 8 >= old.max_fee_wei * 9
    assert new.tip_wei * 8 >= old.tip_wei * 9
    assert new.max_fee_wei > old.max_fee_wei


def key_file(folder: Path, text: str = f"0x{KEY}\n", *, mode: int = 0o600) -> Path:
    path = folder / "relayer.key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [KEY, f"0x{KEY}", f"{KEY.upper()}\n", f"  0x{KEY}  \n\n"])
def test_a_key_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    assert read_relayer_key(key_file(tmp_path, text)).hex() == KEY.lower()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620, 0o610])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(RejectedError, match="chmod 600"):
        read_relayer_key(key_file(tmp_path, mode=mode))


@pytest.mark.parametrize("text", ["", KEY[:-1], f"{KEY}0", f"{KEY} {KEY}", "00" * 32, "ff" * 32])
def test_what_is_no_key_is_refused_and_never_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        read_relayer_key(key_file(tmp_path, text))
    assert refusal.value.code == "setting_wrong"
    assert len(text) < 2 or text not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="BILLCOIN_RELAYER_KEY_FILE"):
        read_relayer_key(tmp_path / "none")


def test_node_and_key_go_together(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    assert signer_of(RelaySettings()) is None
    for half in (
        RelaySettings(relayer_node_url="http://node"),
        RelaySettings(relayer_key_file=path),
    ):
        with pytest.raises(RejectedError, match="go together"):
            signer_of(half)
    both = RelaySettings(relayer_node_url="http://node", relayer_key_file=path)
    assert signer_of(both) is not None


def test_nothing_shows_the_key_or_the_node(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    settings = RelaySettings(relayer_node_url="http://user:secret@node", relayer_key_file=path)
    assert "secret" not in repr(settings)
    signer = signer_of(settings)
    assert isinstance(signer, FileSigner)
    assert signer.address.hex() == Account.from_key(KEY).address[2:].lower()
    assert KEY not in repr(signer)
    assert KEY not in str(vars(signer)).lower()
