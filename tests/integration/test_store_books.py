"""What the store adds up about holders, and what it keeps of nodes that lied."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from store_world import CHAIN_ID, Ledger, make_block, open_ledger

from ledger.block import ProvenBlock
from ledger.store import evidence
from ledger.store.balances import ZERO_ADDRESS, read_balances, read_supply, sample_holders
from ledger.store.evidence import read_evidence_log, record_evidence
from ledger.transfer import Transfer
from ledger.units import UINT256_MAX

ADA, BEN, EVE = b"\xaa" * 20, b"\xbb" * 20, b"\xee" * 20


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened


def moved(block: ProvenBlock, *senders: bytes) -> ProvenBlock:
    """The block with its transfers sent by these."""
    pairs = zip(block.transfers, senders, strict=True)
    transfers = [
        Transfer(item.log_index, item.tx_index, item.tx_hash, sender, item.recipient, item.amount)
        for item, sender in pairs
    ]
    return ProvenBlock(block.header, tuple(transfers))


async def test_supply_and_balances_follow_from_canonical_transfers(ledger: Ledger) -> None:
    minted = moved(make_block(ledger.tip, (ADA, 100, "t1")), ZERO_ADDRESS)
    spent = make_block(minted.header, (BEN, 30, "t2"), (ZERO_ADDRESS, 20, "t3"))
    await ledger.apply(minted, moved(spent, ADA, ADA))
    holders = [ADA, BEN, EVE]
    assert await read_supply(ledger.connection, CHAIN_ID, 1) == 100
    assert await read_supply(ledger.connection, CHAIN_ID, 2) == 80
    found = await read_balances(ledger.connection, CHAIN_ID, 2, holders)
    assert found == {ADA: 50, BEN: 30, EVE: 0}
    await ledger.apply(make_block(minted.header, branch="b"), fork=minted.header)
    assert await read_supply(ledger.connection, CHAIN_ID, 2) == 100
    found = await read_balances(ledger.connection, CHAIN_ID, 2, holders)
    assert found == {ADA: 100, BEN: 0, EVE: 0}


async def test_amounts_beyond_any_machine_word_add_up(ledger: Ledger) -> None:
    largest = make_block(ledger.tip, (ADA, UINT256_MAX, "t1"))
    await ledger.apply(moved(largest, ZERO_ADDRESS))
    assert await read_supply(ledger.connection, CHAIN_ID, 1) == UINT256_MAX
    assert await read_balances(ledger.connection, CHAIN_ID, 1, [ADA]) == {ADA: UINT256_MAX}


async def test_an_empty_ledger_has_neither_supply_nor_holders(ledger: Ledger) -> None:
    assert await read_supply(ledger.connection, CHAIN_ID, 10) == 0
    assert await sample_holders(ledger.connection, CHAIN_ID, count=5, seed=b"a") == []


async def test_a_sample_is_of_holders_and_depends_on_the_seed_only(ledger: Ledger) -> None:
    everyone = [bytes([index]) * 20 for index in range(1, 9)]
    for holder in everyone:
        await ledger.grow((holder, 1, "t"), (ZERO_ADDRESS, 1, "t"))

    async def sample(count: int, seed: bytes) -> set[bytes]:
        return set(await sample_holders(ledger.connection, CHAIN_ID, count=count, seed=seed))

    assert await sample(99, b"a") == set(everyone)
    assert await sample(3, b"a") == await sample(3, b"a") < set(everyone)
    assert len({frozenset(await sample(3, bytes([seed]))) for seed in range(8)}) > 1


@dataclass(frozen=True)
class Lie:
    code: str
    source: str = "node-1"
    message: str = "the receipts do not hash to the header's root"
    details: dict[str, Any] = field(default_factory=lambda: {"block": "0xab"})
    caught_at: float = 1_700_000_000.0


async def test_evidence_of_lies_is_kept_newest_first(ledger: Ledger) -> None:
    await record_evidence(ledger.connection, CHAIN_ID, [])
    assert await read_evidence_log(ledger.connection, CHAIN_ID, limit=9) == []
    await record_evidence(ledger.connection, CHAIN_ID, [Lie("first"), Lie("second")])
    await record_evidence(ledger.connection, CHAIN_ID, [Lie("third")])
    kept = await read_evidence_log(ledger.connection, CHAIN_ID, limit=2)
    assert [row["code"] for row in kept] == ["third", "second"]
    assert kept[0] == {
        "source": "node-1",
        "code": "third",
        "message": "the receipts do not hash to the header's root",
        "details": {"block": "0xab"},
        "caught_at": datetime.fromtimestamp(1_700_000_000, UTC),
    }


async def test_a_node_that_lies_all_day_does_not_fill_the_disk(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MAX_KEPT", 3)
    for index in range(5):
        await record_evidence(ledger.connection, CHAIN_ID, [Lie(f"{index}")])
    kept = await read_evidence_log(ledger.connection, CHAIN_ID, limit=9)
    assert [row["code"] for row in kept] == ["4", "3", "2"]
