"""What a keyring seals only the same key and place open again."""

import base64
from pathlib import Path

import pytest

from ledger.errors import CorruptError, RejectedError
from oracle_api.access.keyring import KEY_BYTES, Keyring
from oracle_api.webhooks.settings import WebhookSettings, check_webhooks

VARIABLE = "BILLCOIN_WEBHOOK_KEYS_FILE"
OLD, NEW = b"o" * KEY_BYTES, b"n" * KEY_BYTES


def line(name: str, key: bytes) -> str:
    return f"{name} {base64.b64encode(key).decode()}\n"


def keys_file(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_is_sealed_is_opened_and_never_the_same_twice() -> None:
    ring = Keyring({"2026": NEW})
    sealed = [ring.seal(b"a secret", context="row 1") for _ in range(2)]
    assert [ring.open(one, context="row 1") for one in sealed] == [b"a secret"] * 2
    assert sealed[0] != sealed[1]
    assert b"secret" not in sealed[0]


def test_a_new_key_encrypts_and_the_old_one_still_decrypts() -> None:
    before = Keyring({"2025": OLD}).seal(b"a secret", context="row 1")
    ring = Keyring({"2026": NEW, "2025": OLD})
    assert ring.open(before, context="row 1") == b"a secret"
    assert not ring.is_current(before)
    assert ring.is_current(ring.seal(b"", context=""))
    with pytest.raises(CorruptError, match="2025"):
        Keyring({"2026": NEW}).open(before, context="row 1")


def test_moved_to_another_row_it_does_not_open() -> None:
    ring = Keyring({"2026": NEW})
    with pytest.raises(CorruptError):
        ring.open(ring.seal(b"a secret", context="row 1"), context="row 2")


def test_altered_in_any_byte_it_does_not_open() -> None:
    ring = Keyring({"2026": NEW})
    sealed = ring.seal(b"a secret", context="row 1")
    for place in range(len(sealed)):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(CorruptError):
            ring.open(bytes(broken), context="row 1")
    for length in range(len(sealed)):
        with pytest.raises(CorruptError):
            ring.open(sealed[:length], context="row 1")


def test_keys_come_from_a_file_the_first_one_encrypts(tmp_path: Path) -> None:
    file = keys_file(tmp_path, "# made by hand\n\n" + line("2026", NEW) + line("2025", OLD))
    ring = Keyring.from_file(file, VARIABLE)
    assert ring.active == "2026"
    assert ring.open(Keyring({"2025": OLD}).seal(b"x", context=""), context="") == b"x"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "2026\n",
        "2026 c2hvcnQ=\n",
        "2026 " + "%" * 44 + "\n",
        f"a/b {base64.b64encode(NEW).decode()}\n",
        line("2026", NEW) + line("2026", OLD),
    ],
)
def test_a_wrong_file_is_refused_without_telling_a_key(tmp_path: Path, text: str) -> None:
    file = keys_file(tmp_path, text)
    with pytest.raises(RejectedError) as caught:
        Keyring.from_file(file, VARIABLE)
    assert caught.value.code == "setting_wrong"
    assert str(file) in str(caught.value)
    assert base64.b64encode(NEW).decode() not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="nowhere"):
        Keyring.from_file(tmp_path / "nowhere", VARIABLE)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644, 0o666, 0o777])
def test_keys_that_others_may_read_or_exchange_are_refused(tmp_path: Path, mode: int) -> None:
    """As every file of secrets is; a wrong one is told at the start, by the setting's name."""
    file = keys_file(tmp_path, line("2026", NEW), mode=mode)
    with pytest.raises(RejectedError, match=f"{VARIABLE} may be read by others: chmod 600"):
        check_webhooks(WebhookSettings(webhook_keys_file=file))
    # A group may read where an orchestrator mounts secrets for one.
    check_webhooks(
        WebhookSettings(webhook_keys_file=keys_file(tmp_path, line("1", NEW), mode=0o640))
    )


def test_a_folder_or_a_pipe_is_no_file_of_keys(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match=VARIABLE):
        Keyring.from_file(tmp_path, VARIABLE)
