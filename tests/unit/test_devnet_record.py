"""What is known of a devnet in the background: never another process, never a half-written file."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devnet.__main__ import app
from devnet.background.identity import Identity, identify
from devnet.background.keeper import UpOptions
from devnet.background.lifecycle import stop
from devnet.background.people import PEOPLE, addresses
from devnet.background.record import (
    Folders,
    Phase,
    Profile,
    Record,
    read_record,
    require_up,
    write_record,
)
from devnet.fault_commands import SHOWN_BY, fault_app
from devnet.node import Node
from devnet.sent import keep_sent, resend_sent
from ledger.errors import RejectedError
from ledger.keccak import keccak256

DOCS = Path(__file__).parents[2] / "docs" / "devnet.md"


def myself() -> Identity:
    found = identify(os.getpid())
    assert found is not None
    return found


def record(keeper: Identity) -> Record:
    return Record(
        Profile.FAST,
        1,
        Phase.READY,
        keeper,
        {"anvil": keeper},
        ("http://127.0.0.1:1",),
        {"anvil": "http://127.0.0.1:1"},
        "http://127.0.0.1:2",
    )


def test_a_process_is_known_by_its_start_too() -> None:
    me = myself()
    assert me.is_alive()
    assert not replace(me, started="another time").is_alive()


def test_a_process_that_has_ended_is_not_alive_even_before_it_is_reaped() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as child:
        known = identify(child.pid)
        assert known is not None
        assert known.is_alive()
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()
        while known.is_alive():
            pass
    assert identify(child.pid) is None


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert read_record(folders) is None
    folders.make(Profile.FAST)
    written = record(myself())
    write_record(folders, written)
    assert read_record(folders) == written
    assert folders.record.stat().st_mode & 0o077 == 0


def test_down_stops_nobody_else_who_has_been_given_the_process_id(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make(Profile.FAST)
    # Our own id, but not our own start: a signal to it would end this test.
    write_record(folders, record(replace(myself(), started="before this test")))
    assert not stop(folders)
    with pytest.raises(RejectedError) as caught:
        require_up(folders)
    assert caught.value.code == "devnet_down"


def test_options_survive_the_way_to_the_keeper() -> None:
    options = UpOptions(Profile.POS, 2, oracle_port=8400)
    assert UpOptions.from_text(options.to_text()) == options


def test_everybody_has_an_address_of_his_own() -> None:
    assert [person.name for person in PEOPLE] == [
        *("student", "merchant", "dairy", "sensor", "supplier"),
    ]
    assert len(set(addresses().values())) == len(PEOPLE)


def test_every_fault_says_where_it_can_be_shown_and_the_guide_says_the_same() -> None:
    commands = {
        info.name or info.callback.__name__
        for info in fault_app.registered_commands
        if info.callback is not None
    }
    assert commands == set(SHOWN_BY)
    guide = DOCS.read_text()
    for name, shown_by in SHOWN_BY.items():
        assert shown_by
        rows = [line for line in guide.splitlines() if line.startswith("| `")]
        row = next(line for line in rows if f"`{name}" in line.split("|")[1])
        cells = [cell.strip() for cell in row.split("|")[2:4]]
        for profile, cell in zip((Profile.FAST, Profile.POS), cells, strict=True):
            assert cell.startswith("no") != (profile in shown_by), row


def up_in(home: Path, monkeypatch: pytest.MonkeyPatch, profile: Profile) -> None:
    monkeypatch.setenv("BILLCOIN_HOME", str(home))
    folders = Folders(home)
    folders.make(profile)
    write_record(folders, replace(record(myself()), profile=profile))


@pytest.mark.parametrize(
    ("profile", "arguments", "expected"),
    [
        (Profile.FAST, ["partition"], ("fault_of_other_profile", "--profile pos")),
        (Profile.FAST, ["stop-validators"], ("fault_of_other_profile", "--profile pos")),
        (Profile.POS, ["reorg"], ("fault_of_other_profile", "`partition` and `heal`")),
        (Profile.POS, ["lie"], ("fault_of_other_profile", "--profile fast")),
        (Profile.POS, ["partition"], ("nodes_missing", "--nodes 2")),
        (Profile.FAST, ["lag-node"], ("nodes_missing", "--nodes 2")),
        (Profile.FAST, ["lie", "nicely"], ("fault_unknown", "receipts_wrong")),
    ],
)
def test_a_fault_that_cannot_be_shown_says_who_can(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: Profile,
    arguments: list[str],
    expected: tuple[str, str],
) -> None:
    code, words = expected
    up_in(tmp_path, monkeypatch, profile)
    error = CliRunner().invoke(app, ["fault", *arguments]).exception
    assert isinstance(error, RejectedError)
    assert error.code == code
    assert words in str(error)


@pytest.mark.parametrize("command", [["fault", "reorg"], ["fault", "heal"]])
def test_nothing_misbehaves_that_is_not_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("BILLCOIN_HOME", str(tmp_path))
    error = CliRunner().invoke(app, command).exception
    assert isinstance(error, RejectedError)
    assert error.code == "devnet_down"


def test_only_what_the_wallet_has_sent_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up_in(tmp_path, monkeypatch, Profile.FAST)
    node = Node("http://127.0.0.1:1", None)  # type: ignore[arg-type] # never asked
    keep_sent(tmp_path, b"signed")
    kept = tmp_path / "sent" / f"0x{keccak256(b'signed').hex()}.hex"
    assert kept.read_text() == "0x" + b"signed".hex()
    assert kept.stat().st_mode & 0o077 == 0
    for tx_hash in ("0x" + "00" * 32, "../manifest", "0x12"):
        with pytest.raises(RejectedError) as caught:
            asyncio.run(resend_sent(node, tmp_path, tx_hash))
        assert caught.value.code == "transaction_unknown"


def test_the_proof_of_stake_locks_pin_everything_and_name_no_host() -> None:
    folder = Path(__file__).parents[2] / "devnet" / "pos"
    wanted = {
        "execution": ("@ethereumjs/client", "0.10.5"),
        "consensus": ("@chainsafe/lodestar", "1.5.1"),
    }
    for name, (package, version) in wanted.items():
        text = (folder / name / "package-lock.json").read_text()
        packages = json.loads(text)["packages"]
        assert "://" not in text
        assert packages[f"node_modules/{package}"]["version"] == version
        for path, entry in packages.items():
            ours = path in ("", "snappy", "node_modules/snappy")
            assert ours or entry["integrity"].startswith("sha512-"), path
        options = (folder / name / ".npmrc").read_text().split()
        assert "omit-lockfile-registry-resolved=true" in options
