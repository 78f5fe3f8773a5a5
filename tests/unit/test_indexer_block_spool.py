"""Blocks that are put aside come back as they were, whether memory held them or a file."""

from collections.abc import Iterator
from random import Random
from unittest.mock import AsyncMock

import pytest

from devnet.faulty_node.model import ChainModel
from indexer import block_spool
from indexer.block_spool import BlockSpool, SpoolFullError
from indexer.branch import resolve_branch
from ledger.block import ProvenBlock, prove_block
from ledger.chain import BlockRef, BrokenBranchError
from ledger.store.cursor import Cursor


@pytest.fixture
def spool() -> Iterator[BlockSpool]:
    spool = BlockSpool()
    yield spool
    spool.close()


def _blocks(count: int) -> list[ProvenBlock]:
    model = ChainModel(Random(5))  # noqa: S311 - wants repeating
    token = model.deployment.token
    made = [model.mine([model.pay(model.wallets[1], 5)]) for _ in range(count)]
    return [
        prove_block(block.block_json, block.receipts_json, expected_hash=block.hash, token=token)
        for block in made
    ]


@pytest.mark.parametrize("memory_bytes", [1, 2**20])
def test_batches_come_back_in_order_as_often_as_asked(
    memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_spool, "MAX_MEMORY_BYTES", memory_bytes)
    blocks = _blocks(5)
    spool = BlockSpool()
    spool.put(blocks[:2])
    spool.put(blocks[2:])
    assert spool.count == 5
    for _ in range(2):
        assert list(spool.batches()) == [blocks[:2], blocks[2:]]
    assert next(spool.batches()) == blocks[:2]
    spool.close()


def test_a_full_disk_is_told_with_what_to_do_and_is_worth_another_try(
    spool: BlockSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(block_spool.pickle, "dump", fail)
    with pytest.raises(SpoolFullError, match="TMPDIR"):
        spool.put(_blocks(1))


async def test_a_head_of_another_height_than_was_told_is_not_walked_down() -> None:
    """What is told bounds the walk: a chain that is made up on the way would have no end."""
    block = _blocks(1)[0]
    start = BlockRef(0, bytes(32))
    connection, source = AsyncMock(), AsyncMock()
    connection.fetchrow.return_value = None
    source.block_by_hash.return_value = block
    with pytest.raises(BrokenBranchError):
        await resolve_branch(
            connection,
            source,
            BlockRef(block.header.number - 1, block.header.hash),
            Cursor(start, 0, 0, start),
            chain_id=1,
            concurrency=1,
        )
