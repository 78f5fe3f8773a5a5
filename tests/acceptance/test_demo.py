"""`make demo`, as a newcomer runs it: a milk is sold, and nothing is left behind."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import pytest
from partner_guide import command

from billcoin_client import BillcoinClient, verify_attestation
from devnet.anvil import anvil
from devnet.ports import free_port

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
STEPS = ["order_created", "qr", "broadcast", "block", "proven", "paid", "verdict", "settled"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def environment(home: Path) -> dict[str, str]:
    """A shell without any setting of ours, so that everything is embedded.

    Nor with those of a `make test ARGS=...` above us, which `make demo` would take for its own.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BILLCOIN_", "DATABASE_URL", "MAKE", "MFLAGS", "ARGS", "ONCE"))
    }
    kept["BILLCOIN_HOME"] = str(home)
    if "BILLCOIN_ANVIL" in os.environ:
        kept["BILLCOIN_ANVIL"] = os.environ["BILLCOIN_ANVIL"]
    return kept


def start(
    home: Path,
    *options: str,
    program: tuple[str, ...] = (),
    more: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [*(program or (str(BIN / "billcoin-devnet"), "demo")), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home) | more,
        cwd=ROOT,
        start_new_session=True,
    )


def finish(demo: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = demo.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        demo.kill()
        demo.communicate()
        raise
    return demo.returncode, out, err


def descendants_of_run(home: Path) -> list[str]:
    """Processes whose environment or command line names this run's folder, but for ourselves."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text and int(entry.name) != os.getpid():
            found.append(entry.name)
    return found


def assert_nothing_left(home: Path) -> None:
    deadline = time.monotonic() + 10
    while (left := descendants_of_run(home)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert list((home / "runs").iterdir()) == []


def assert_sold(result: dict[str, Any]) -> None:
    assert result["ok"] is True
    assert result["verdict"]["valid"] is True
    assert result["verdict"]["error"] is None
    assert re.fullmatch(r"0x[0-9a-f]{64}", result["txHash"])
    assert result["paymentUri"].startswith("ethereum:0x")
    assert sorted(step["step"] for step in result["timeline"]) == sorted(STEPS)
    at = {step["step"]: step["sinceOrderMs"] for step in result["timeline"]}
    assert at["order_created"] == 0
    assert at["qr"] <= at["broadcast"] <= at["proven"] <= at["paid"] <= at["settled"]


@pytest.fixture
def stay() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts demos that stay up; killed with their sessions should the test fail."""
    demos: list[subprocess.Popen[str]] = []

    def start_one(home: Path, *program: str) -> subprocess.Popen[str]:
        demos.append(start(home, program=program) if program else start(home, "--json"))
        return demos[-1]

    yield start_one
    for demo in demos:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.communicate()


def sold_by(demo: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the sale of a demo that stays up."""
    assert demo.stdout is not None
    line = demo.stdout.readline()
    assert line, demo.communicate()[1]
    result: dict[str, Any] = json.loads(line)
    assert_sold(result)
    return result


def asked(url: str, *, body: dict[str, str] | None = None, bearer: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answered: dict[str, Any] = json.load(answer)
        return answered


def assert_partners_can_try_it(home: Path, sold: dict[str, Any]) -> None:
    """The demo signs verdicts, and its sandbox brings about what one needs to see to believe."""
    (run,) = (home / "runs").iterdir()
    accounts = json.loads((run / "accounts.json").read_text())
    assert (run / "accounts.json").stat().st_mode & 0o077 == 0
    oracle_url = sold["tillUrl"].removesuffix("/till")
    with BillcoinClient(oracle_url, api_key=accounts["api_key"]) as client:
        assert list(client.iter_orders()) == []
        answer = client.validate(
            sold["txHash"], sold["amountDue"], order_id=sold["orderId"], attest=True
        )
        assert answer.attestation is not None
        signers = client.attestation_signers()
        proof = verify_attestation(answer.attestation, signers, order_id=sold["orderId"])
        assert proof.finality == "finalized"
    # The till sees its store's orders; nobody sees any without a name.
    grant = {"grant_type": "password", "username": accounts["till"]["name"]}
    grant["password"] = accounts["till"]["password"]
    token = asked(f"{oracle_url}/api/v1/tokens", body=grant)["access_token"]
    (order,) = asked(f"{oracle_url}/api/v1/orders?status=settled", bearer=token)["data"]
    assert order["id"] == sold["orderId"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        asked(f"{oracle_url}/api/v1/orders")
    tried = subprocess.run(  # noqa: S603 - our own command
        [str(BIN / "billcoin-devnet"), "sandbox", "reorged", "--json"],
        capture_output=True,
        text=True,
        env=environment(run),
        check=False,
    )
    assert tried.returncode == 0, tried.stderr
    assert json.loads(tried.stdout)["answer"]["error"] == "payment_reversed"


def test_one_command_sells_a_milk_and_leaves_nothing(tmp_path: Path) -> None:
    status, out, err = finish(start(tmp_path, "ONCE=1", program=("make", "-s", "demo")))
    assert status == 0, out + err
    assert_sold(json.loads(out.splitlines()[-1]))
    assert "Paid on the till" in out
    assert_nothing_left(tmp_path)


def test_two_demos_run_side_by_side_until_told_to_stop(
    tmp_path: Path, stay: Callable[..., subprocess.Popen[str]]
) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    demos = [stay(home) for home in homes]
    results = [sold_by(demo) for demo in demos]
    assert results[0]["tillUrl"] != results[1]["tillUrl"]
    assert results[0]["orderId"] != results[1]["orderId"]
    assert_partners_can_try_it(homes[0], results[0])
    for home, demo, result, number in zip(
        homes, demos, results, [signal.SIGINT, signal.SIGTERM], strict=True
    ):
        with urllib.request.urlopen(result["tillUrl"]) as till:  # noqa: S310 - our own server
            assert till.status == 200
        # It pays the gas of wallets that have none.
        supported = result["tillUrl"].removesuffix("/till") + "/api/v1/x402/supported"
        assert asked(supported)["kinds"]
        demo.send_signal(number)
        status, out, err = finish(demo)
        assert (status, out) == (0, ""), err
        assert_nothing_left(home)


def line_to_paste(demo: subprocess.Popen[str]) -> str:
    """The line that the guide says to paste, once the demo has said all that it says."""
    assert demo.stdout is not None
    said: list[str] = []
    while "Ctrl-C stops everything" not in "".join(said[-1:]):
        said.append(demo.stdout.readline())
        assert said[-1], "".join(said) + demo.communicate()[1]
    (line,) = (line for line in said if line.lstrip().startswith("export "))
    return line


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_partner_s_first_five_minutes(
    tmp_path: Path, stay: Callable[..., subprocess.Popen[str]]
) -> None:
    """Two terminals, in the repository's folder: the guide's commands, and what was printed."""
    port = str(free_port())
    starting = command("start a demo").replace("8400", port)
    demo = stay(tmp_path, "sh", "-c", starting)
    script = (
        line_to_paste(demo)
        + command("find the oracle").replace("8400", port)
        + command("make an order")
        + command("pay an order")
        + command("ask whether it is paid")
    )
    # Another terminal has none of the demo's variables, but for those that are pasted.
    bare = {n: value for n, value in environment(tmp_path).items() if n != "BILLCOIN_HOME"}
    other = subprocess.run(  # noqa: S603 - the guide's commands
        ["/bin/sh", "-e", "-c", script],
        capture_output=True,
        text=True,
        env=bare,
        cwd=ROOT,
        check=False,
    )
    assert other.returncode == 0, other.stdout + other.stderr
    made, paid, answer = other.stdout.splitlines()
    assert json.loads(made)["status"] == "awaiting_payment"
    assert re.fullmatch(r"0x[0-9a-f]{64}", json.loads(paid)["txHash"])
    verdict = json.loads(answer)
    assert (verdict["valid"], verdict["verdict"]["orderId"]) == (True, json.loads(made)["id"])
    # As the terminal does it: to all that it runs.
    os.killpg(demo.pid, signal.SIGINT)
    finish(demo)
    assert_nothing_left(tmp_path)


def test_stopped_before_the_sale_it_says_so(tmp_path: Path) -> None:
    demo = start(tmp_path, "--once")
    assert demo.stdout is not None
    assert "is up" in demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    status, out, err = finish(demo)
    assert status == 130, err
    assert "stopped before the sale" in out
    assert_nothing_left(tmp_path)


def wait_until_ready(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    while "are ready" not in (line := demo.stdout.readline()):
        assert line, demo.communicate()[1]


def test_a_service_that_dies_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    demo = start(tmp_path, "--once")
    wait_until_ready(demo)
    leashes = [
        int(pid)
        for pid in descendants_of_run(tmp_path)
        if b"billcoin-indexer\0run" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    for pid in leashes:
        os.kill(pid, signal.SIGTERM)
    status, _, err = finish(demo)
    (log,) = tmp_path.glob("runs/*/billcoin-indexer-run.log")
    assert status == 1
    assert "billcoin-indexer run ended with status" in err
    assert str(log) in err
    assert descendants_of_run(tmp_path) == []


def test_not_even_kill_9_leaves_a_process(tmp_path: Path) -> None:
    demo = start(tmp_path, "--once")
    wait_until_ready(demo)
    assert len(descendants_of_run(tmp_path)) > 8
    demo.kill()
    demo.communicate()
    deadline = time.monotonic() + 10
    while descendants_of_run(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descendants_of_run(tmp_path) == []


async def test_a_database_and_a_chain_of_ones_own_are_used(
    tmp_path: Path, database_url: str
) -> None:
    async with anvil(block_time_seconds=0.2, slots_in_an_epoch=2) as chain:
        own = {
            "DATABASE_URL": database_url,
            "BILLCOIN_NODE_HTTP_URL": chain.http_url,
            "BILLCOIN_NODE_WS_URL": chain.ws_url,
        }
        demo = start(tmp_path, "--once", more=own)
        status, out, err = await asyncio.to_thread(finish, demo)
    assert status == 0, out + err
    assert "PostgreSQL is up" not in out
    assert "the chain is up" not in out
    assert_sold(json.loads(out.splitlines()[-1]))
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM orders") == 1
    await connection.close()
    assert_nothing_left(tmp_path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    demo = subprocess.run(  # noqa: S603 - our own command
        [BIN / "billcoin-devnet", "demo", "--once"],
        env=environment(tmp_path) | {"BILLCOIN_ANVIL": "no-such-anvil"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert demo.returncode == 2
    assert "anvil_missing" in demo.stderr
    assert descendants_of_run(tmp_path) == []
