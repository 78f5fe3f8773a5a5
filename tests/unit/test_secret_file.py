"""A file of secrets is written whole or not at all, and nothing of it is left elsewhere."""

import os
from pathlib import Path

import pytest

from ledger.errors import RejectedError
from oracle_api.secret_file import MAX_FILE_BYTES, read_secret_file, write_secret_file


def test_what_is_written_can_be_read_and_no_more_is_written(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    most = b"k" * MAX_FILE_BYTES
    write_secret_file(path, most)
    assert read_secret_file(path, "KEYS", group_may_read=False) == most
    with pytest.raises(RejectedError, match="bytes") as refused:
        write_secret_file(path, most + b"k")
    assert refused.value.code == "file_unwritable"
    assert path.read_bytes() == most
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    path = tmp_path / "keys"
    write_secret_file(path, b"old")

    def fail(_: int) -> None:
        raise trouble

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((KeyboardInterrupt, RejectedError)):
        write_secret_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_through_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RejectedError, match="Not a directory"):
        write_secret_file(tmp_path / "file" / "keys", b"new")
