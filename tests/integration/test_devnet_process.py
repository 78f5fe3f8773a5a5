"""A child on its leash: its status, its last words, and an end that it cannot refuse."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devnet.process import Ending, LeashedProcess, ProcessDiedError
from devnet.services import console_script, run_to_end, service_environment, watch
from ledger.errors import RejectedError


def python(tmp_path: Path, text: str, *, grace_seconds: float = 5.0) -> LeashedProcess:
    return LeashedProcess(
        "child",
        [sys.executable, "-c", text],
        log_path=tmp_path / "log",
        ending=Ending(grace_seconds=grace_seconds),
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_the_childs_status_is_the_leashs(tmp_path: Path, text: str, status: int) -> None:
    child = python(tmp_path, text)
    wait_for(lambda: child.exit_status is not None)
    assert child.exit_status == status
    child.stop()


def test_a_death_is_reported_with_the_last_lines(tmp_path: Path) -> None:
    child = python(tmp_path, "print('spilt'); raise SystemExit('milk')")
    wait_for(lambda: child.exit_status is not None)
    with pytest.raises(ProcessDiedError, match=r"(?s)child ended with status 1.*spilt.*milk"):
        child.require_running()
    child.stop()


def test_a_child_is_asked_to_end_first(tmp_path: Path) -> None:
    child = python(
        tmp_path,
        "import signal, time\n"
        "def bye(*_):\n    print('bye', flush=True); raise SystemExit(0)\n"
        "signal.signal(signal.SIGTERM, bye); print('up', flush=True); time.sleep(60)",
    )
    wait_for(lambda: "up" in child.output())
    child.stop()
    assert (tmp_path / "log").read_text() == "up\nbye\n"
    assert child.exit_status == 0
    child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_child_that_will_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    child = python(
        tmp_path,
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork(); print(os.getpid(), flush=True); time.sleep(60)",
        grace_seconds=0.2,
    )
    wait_for(lambda: len(child.output().split()) == 2)
    pids = [int(text) for text in child.output().split()]
    assert all(is_alive(pid) for pid in pids)
    child.stop()
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the child")
def test_not_even_the_leashs_death_leaves_the_child(tmp_path: Path) -> None:
    child = python(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    wait_for(lambda: bool(child.output().strip()))
    pid = int(child.output())
    child._leash.kill()
    wait_for(lambda: not is_alive(pid))
    child.stop()


async def test_a_command_that_must_end_well_does(tmp_path: Path) -> None:
    await run_to_end(python(tmp_path, "print('done')"))
    with pytest.raises(ProcessDiedError, match="status 3"):
        await run_to_end(python(tmp_path, "raise SystemExit(3)"))


async def test_a_watched_process_that_ends_is_noticed(tmp_path: Path) -> None:
    child = python(tmp_path, "")
    with pytest.raises(ProcessDiedError, match="status 0"):
        await watch([child])
    child.stop()


def test_services_see_our_variables_and_little_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLCOIN_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "x")
    monkeypatch.setenv("BILLCOIN_WALLET_PASSWORD", "milk")
    environment = service_environment({"BILLCOIN_LOG_LEVEL": "INFO", "DATABASE_URL": "y"})
    assert environment["BILLCOIN_LOG_LEVEL"] == "INFO"
    assert environment["DATABASE_URL"] == "y"
    assert not {"SECRET_OF_THE_SHELL", "BILLCOIN_WALLET_PASSWORD"} & set(environment)


def test_a_missing_service_says_how_to_get_it() -> None:
    assert Path(console_script("billcoin-indexer")).exists()
    with pytest.raises(RejectedError, match="make setup"):
        console_script("billcoin-nothing")
