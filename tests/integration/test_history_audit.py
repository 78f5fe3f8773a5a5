"""An audit finds an honest ledger identical, and names the row of one that was altered."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from eth_account import Account
from market import BILL, Market, indexing, open_market

from indexer.audit.executors import executor_for
from indexer.audit.report import Report, check_signature
from indexer.audit.work import audit_range, choose_range
from indexer.backfill_worker import RangeTask
from ledger.errors import RejectedError

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
KEY = "0x" + "5a" * 32


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        for index in range(5):
            await opened.pay(bytes((index + 1,)) * 20, BILL + index)
            await opened.mine(4)
        async with indexing(opened):
            await opened.until_tip()
        yield opened


async def run(market: Market, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [COMMAND, *arguments],
        env={"PATH": os.environ["PATH"]} | market.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def audit(market: Market, *arguments: str, status: int = 0) -> dict[str, object]:
    ended = await run(market, "audit", "--json", *arguments)
    assert ended.returncode == status, ended.stdout + ended.stderr
    report: dict[str, object] = json.loads(ended.stdout)
    return report


async def audited(market: Market, last: int) -> Report:
    """As the command does it, by threads, which start at once."""
    deployment = market.manifest.deployment
    chain_id = deployment.chain_id
    first, last = await choose_range(market.ledger, chain_id, None, last)
    task = RangeTask(market.chain.http_url, chain_id, deployment.token, first, last, 5)
    with ThreadPoolExecutor(2) as pool:
        return await audit_range(
            market.ledger, pool, task, workers=2, progress=lambda _done, _total: None
        )


async def schemas(market: Market) -> int:
    count: int = await market.ledger.fetchval(
        "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'billcoin_%'"
    )
    return count


async def test_an_honest_ledger_is_identical_and_the_report_signed(
    market: Market, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    head = await market.head_number()
    document = await audit(market, "--to", str(head), "--sign", str(key))
    report = document["report"]
    assert isinstance(report, dict)
    assert (report["verdict"], report["last_block"]) == ("identical", head)
    assert report["ledger_digest"] == report["node_digest"]
    assert report["ledger_transfers"] == report["node_transfers"] == 6
    assert await schemas(market) == 0
    signer = Account.from_key(KEY).address
    file = tmp_path / "report.json"
    file.write_text(json.dumps(document, indent=1))
    assert (await run(market, "verify-audit", str(file), "--signer", signer)).returncode == 0
    with pytest.raises(RejectedError, match="not by"):
        check_signature(document, signer="0x" + "11" * 20)
    report["ledger_transfers"] = 7
    file.write_text(json.dumps(document))
    altered = await run(market, "verify-audit", str(file), "--signer", signer)
    assert altered.returncode == 1
    key.chmod(0o644)
    loose = await run(market, "audit", "--sign", str(key))
    assert loose.returncode == 4
    assert "chmod 600" in loose.stderr


@pytest.mark.parametrize(
    ("tampering", "table", "rows"),
    [
        ("UPDATE transfer SET amount = amount + 1 WHERE block_number = $1", "transfer", 2),
        ("DELETE FROM transfer WHERE block_number = $1", "transfer", 1),
        ("UPDATE block SET timestamp = timestamp + 1 WHERE number = $1", "block", 2),
        ("UPDATE block SET canonical = false WHERE number = $1", "block", 2),
    ],
)
async def test_the_first_altered_row_is_named(
    market: Market, tampering: str, table: str, rows: int
) -> None:
    altered = await market.ledger.fetchval(
        "SELECT block_number FROM transfer ORDER BY block_number DESC OFFSET 2 LIMIT 1"
    )
    await market.ledger.execute(tampering, altered)
    head = await market.head_number()
    report = await audited(market, head)
    assert report.verdict == "different"
    assert report.first_difference == altered
    assert len(report.differences) == rows
    assert table in {item["table"] for item in report.differences}
    assert {item["block_number"] for item in report.differences} == {altered}
    # Only a part without the altered block is found sound.
    assert (await audited(market, altered - 1)).is_identical
    assert await schemas(market) == 0


async def test_a_person_is_told_the_verdict_and_the_row(market: Market) -> None:
    await market.ledger.execute("UPDATE transfer SET amount = 1 WHERE amount = $1", BILL)
    human = await run(market, "audit", "--to", str(await market.head_number()))
    assert human.returncode == 1
    assert "different" in human.stdout
    assert "only the ledger has transfer" in human.stdout.replace("\n", "")


async def test_a_range_that_is_not_held_is_refused(market: Market) -> None:
    ended = await run(market, "audit", "--to", "99999")
    assert ended.returncode == 4
    assert "this ledger holds blocks" in ended.stderr


async def test_a_dask_cluster_of_separate_processes_does_the_same_work(market: Market) -> None:
    distributed = pytest.importorskip("distributed")
    head = await market.head_number()

    def start() -> object:
        return distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )

    cluster = await asyncio.to_thread(start)
    try:
        report = await audit(
            market,
            "--to",
            str(head),
            "--scheduler",
            cluster.scheduler_address,  # type: ignore[attr-defined]
        )
    finally:
        await asyncio.to_thread(cluster.close)  # type: ignore[attr-defined]
    assert report["verdict"] == "identical"
    assert report["ledger_digest"] == (await audited(market, head)).ledger_digest


def test_a_cluster_that_is_not_there_is_a_clear_error() -> None:
    pytest.importorskip("distributed")
    with (
        pytest.raises(RejectedError, match="no scheduler at"),
        executor_for("tcp://127.0.0.1:1", workers=1, patience_seconds=1),
    ):
        pass
