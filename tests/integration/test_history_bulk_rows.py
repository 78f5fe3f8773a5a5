"""Rows in COPY's binary format arrive in Postgres as they were, and the benchmark runs at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.backfill import measure_backfill
from ledger.block import ProvenBlock
from ledger.chain import BrokenBranchError
from ledger.deployment import Deployment
from ledger.header import Header
from ledger.store.bulk_rows import proven_range
from ledger.store.cursor import register
from ledger.store.digests import copy_range, create_schema, looking_into, read_rows
from ledger.store.pool import connect
from ledger.transfer import Transfer
from ledger.units import UINT256_MAX, Units

AMOUNTS = [0, 1, 9_999, 10_000, 10_001, 10**8, 10**18, 10**18 + 7, 10**77, UINT256_MAX]


def header(number: int) -> Header:
    return Header(
        number,
        number.to_bytes(32, "big"),
        (number - 1).to_bytes(32, "big"),
        2**40 + number,
        b"\x0a" * 32,
        b"\x0b" * 32,
    )


def block(number: int, amounts: list[int]) -> ProvenBlock:
    transfers = tuple(
        Transfer(place, place // 2, b"\x0c" * 32, b"\x0d" * 20, b"\x0e" * 20, Units(amount))
        for place, amount in enumerate(amounts)
    )
    return ProvenBlock(header(number), transfers)


async def test_every_value_arrives_as_it_was(ledger_url: str) -> None:
    connection = await connect(ledger_url, application_name="test")
    await register(connection, Deployment(1, b"t", b"f", b"i", b"r"), anchor=header(2**40))
    blocks = [block(7, AMOUNTS), block(8, []), block(9, [5])]
    await create_schema(connection, "billcoin_test")
    await copy_range(connection, "billcoin_test", proven_range(1, blocks))
    async with looking_into(connection, "billcoin_test"):
        found = [rows async for rows in read_rows(connection, 1, 0, 100)]
        texts = await connection.fetch("SELECT amount::text AS amount FROM transfer ORDER BY 1")
    assert [(rows.header, rows.transfers) for rows in found] == [
        (item.header, item.transfers) for item in blocks
    ]
    assert sorted(row["amount"] for row in texts) == sorted(str(a) for a in [*AMOUNTS, 5])
    await connection.close()


@given(st.lists(st.integers(1, 6), min_size=2, max_size=6))
def test_only_blocks_that_link_make_a_range(numbers: list[int]) -> None:
    blocks = [block(number, []) for number in numbers]
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        assert proven_range(1, blocks).last.number == numbers[-1]
    else:
        with pytest.raises(BrokenBranchError):
            proven_range(1, blocks)


async def test_the_benchmark_measures_a_small_chain(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("BILLCOIN_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("BILLCOIN_BENCH_BLOCKS", "30")
    (figure,) = await measure_backfill()
    assert figure.name == "backfill.transfers_per_second"
    assert figure.value
    assert figure.floor
