"""A switch of any depth above final: the whole replacement is there before anything goes."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import stall as stalls
from stall import Stall, indexing, open_stall

from devnet.faulty_node.blocks import ModelBlock
from devnet.faulty_node.methods import UNKNOWN_BLOCK
from devnet.faulty_node.view import RpcRefusal
from indexer import block_spool, catch_up, source
from indexer.branch import HELD_BLOCKS
from indexer.follow import CATCH_UP_DISTANCE_BLOCKS
from ledger.json_hex import to_hex
from ledger.store.evidence import read_evidence_log
from ledger.store.observation import read_observation
from ledger.store.pool import Connection

_BODIES = {"eth_getBlockReceipts"}


@pytest.fixture
async def stall(
    witnessed_ledger: Connection, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stall]:
    monkeypatch.setattr(source, "QUARANTINE_SECONDS", 0.05)
    monkeypatch.setattr(stalls, "PATIENCE_SECONDS", 90.0)  # thousands of blocks come and go
    async with open_stall(witnessed_ledger, ledger_url) as opened:
        # One node answers the test's own process in turn: a switch is a burst of questions.
        opened.settings = opened.settings.model_copy(update={"request_timeout_seconds": 5.0})
        yield opened


class Gap:
    """A block whose contents the node cannot give for now, though it knows its header."""

    def __init__(self, stall: Stall, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        self._block: ModelBlock | None = None
        self._answer = stall.server.node.answer
        monkeypatch.setattr(stall.server.node, "answer", self._refuse_or_answer)

    def open_at(self, block: ModelBlock) -> None:
        self._block = block

    def close(self) -> None:
        self._block = None

    def _refuse_or_answer(self, method: str, params: Sequence[Any]) -> Any:
        missing = self._block
        if (
            missing
            and method in _BODIES
            and params[0] in {to_hex(missing.hash), hex(missing.number)}
        ):
            self.asked[method] += 1
            raise RpcRefusal(UNKNOWN_BLOCK, "missing trie node")
        return self._answer(method, params)


def _grow(stall: Stall, count: int) -> None:
    for _ in range(count):
        stall.mine()


async def _retracted(stall: Stall) -> int:
    count: int = await stall.ledger.fetchval("SELECT count(*) FROM block WHERE NOT canonical")
    return count


async def _tip(stall: Stall) -> bytes:
    tip: bytes = await stall.ledger.fetchval("SELECT tip_hash FROM chain")
    return tip


async def _require_nobody_blamed(stall: Stall) -> None:
    chain_id = stall.model.deployment.chain_id
    assert await read_evidence_log(stall.ledger, chain_id, limit=100) == []
    observation = await read_observation(stall.ledger, chain_id)
    assert observation is not None
    assert observation.halt_code is None


async def test_a_branch_of_more_than_a_thousand_blocks_is_followed_and_convicts_nobody(
    stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_spool, "MAX_MEMORY_BYTES", 1_000)  # so that a file is written, too
    depth, moved_by = 1_100, 300
    async with indexing(stall):
        moved, gone = await stall.order(), await stall.order()
        paying = stall.pay(moved)
        stall.mine(paying)
        stall.mine(stall.pay(gone))
        _grow(stall, depth - 2)
        await stall.until_tip()
        contents = [*[[]] * moved_by, [paying], *[[]] * (depth - moved_by)]
        stall.model.reorg(depth, contents)
        await stall.until_tip()
        assert await _retracted(stall) == depth
        await stall.check()
        await _require_nobody_blamed(stall)
    assert (await stall.status(moved), await stall.status(gone)) == ("paid", "reversed")
    # One transaction: nobody is told that a payment went which is on both branches.
    told = ["order.created", "order.paid", "order.updated"]
    types = await stall.ledger.fetch(
        "SELECT type FROM event WHERE order_id = $1 ORDER BY seq", moved.id
    )
    assert [row["type"] for row in types] == told


@pytest.mark.parametrize("ahead", [1, CATCH_UP_DISTANCE_BLOCKS, 3 * catch_up.BATCH_BLOCKS])
@pytest.mark.parametrize("gap", ["early", "late"])
async def test_when_the_node_breaks_off_we_stand_where_we_stood(
    stall: Stall, monkeypatch: pytest.MonkeyPatch, ahead: int, gap: str
) -> None:
    """Whatever part of the replacement is missing, however far ahead of us its head is."""
    depth = HELD_BLOCKS + 2 * catch_up.BATCH_BLOCKS
    async with indexing(stall):
        order = await stall.order()
        stall.mine(stall.pay(order))
        _grow(stall, depth - 1)
        await stall.until_tip()
        before, fork = await _tip(stall), stall.model.head.number - depth
        broken = Gap(stall, monkeypatch)
        head = stall.model.head
        built = stall.model.at(fork)
        assert built is not None
        branch = []
        for _ in range(depth + ahead):
            built = stall.model.build(on=built)
            stall.model.blocks[built.hash] = built
            branch.append(built)
        missing = 10 if gap == "early" else catch_up.BATCH_BLOCKS + 10
        broken.open_at(branch[missing])
        stall.model.switch_to(built)
        assert stall.model.head.number == head.number + ahead

        async def is_asked_in_vain() -> bool:
            return broken.asked.total() >= 3

        await stall.until(is_asked_in_vain, "the missing block to be asked for")
        assert (await _tip(stall), await _retracted(stall)) == (before, 0)
        assert await stall.status(order) == "paid"
        broken.close()
        await stall.until_tip()
        assert await _retracted(stall) == depth
        await stall.check()
        await _require_nobody_blamed(stall)
    assert await stall.status(order) == "reversed"


async def test_a_far_head_on_another_chain_is_reached_by_one_switch_and_growth(
    stall: Stall,
) -> None:
    async with indexing(stall):
        order = await stall.order()
        draft = stall.pay(order)
        stall.mine(draft)
        _grow(stall, 99)
        await stall.until_tip()
        stall.model.reorg(100, [[]] * 250 + [[draft]] + [[]] * 20)
        await stall.until_tip()
        assert await _retracted(stall) == 100
        await stall.check()
        await _require_nobody_blamed(stall)
    await stall.check_against_the_honest_node()
    assert await stall.status(order) == "paid"
