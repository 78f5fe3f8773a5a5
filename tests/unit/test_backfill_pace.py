"""How much is asked of a node at once: less when it refuses, more again when it answers."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from itertools import pairwise
from typing import Any

import orjson
import pytest

from indexer.backfill_client import BatchClient, _BatchRefusedError
from indexer.backfill_worker import RangeFailure, RangeTask
from indexer.ranges_ahead import RangesAhead
from ledger.json_hex import UnprovenError
from ledger.store.bulk_rows import ProvenRange


class Node:
    """A node that takes so many blocks in a batch, and whose blocks have so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, client: BatchClient) -> None:
        self.most_blocks = 64
        self.block_bytes = 1024
        self.asked: list[int] = []
        """The blocks of each batch; 0 for a call of its own."""
        monkeypatch.setattr(client, "_post", self.answer)

    def answer(self, body: bytes) -> tuple[Any, int]:
        calls = orjson.loads(body)
        if not isinstance(calls, list):
            self.asked.append(0)
            return {"result": calls["params"][0]}, self.block_bytes
        count = len(calls) // 2
        self.asked.append(count)
        if count > self.most_blocks:
            raise _BatchRefusedError("too many")
        answers = [{"id": call["id"], "result": call["params"][0]} for call in calls]
        return answers, count * self.block_bytes


@pytest.fixture
def client() -> BatchClient:
    return BatchClient("http://node.invalid", timeout_seconds=1)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, client: BatchClient) -> Node:
    return Node(monkeypatch, client)


def fetched(client: BatchClient, count: int) -> None:
    """Every block comes, in order, however they were asked for."""
    numbers = range(1, count + 1)
    assert client.blocks(numbers) == [(hex(number), hex(number)) for number in numbers]


def test_batches_grow_to_what_fits_into_an_answer(client: BatchClient, node: Node) -> None:
    fetched(client, 200)
    assert node.asked == [8, 64, 64, 64]
    node.asked.clear()
    node.block_bytes = 32 * 1024
    fetched(client, 200)
    assert node.asked[:3] == [64, 8, 8]
    node.block_bytes = 1024 * 1024
    fetched(client, 20)
    assert node.asked[-3:] == [1, 1, 1]


def test_refused_batches_are_halved_until_they_are_taken(client: BatchClient, node: Node) -> None:
    node.most_blocks = 3
    fetched(client, 20)
    assert node.asked == [8, 4, *[2] * 10]


def test_a_node_that_takes_no_batch_is_asked_singly(client: BatchClient, node: Node) -> None:
    node.most_blocks = 0
    fetched(client, 10)
    assert node.asked == [8, 4, 2, 1, *[0] * 20]


@pytest.mark.parametrize("refuses_over", [0, 3])
def test_what_was_refused_once_is_tried_again_in_time(
    client: BatchClient, node: Node, refuses_over: int
) -> None:
    node.most_blocks = refuses_over
    fetched(client, 20)
    node.most_blocks = 64
    while node.asked[-1] < 64:
        assert len(node.asked) < 100_000
        fetched(client, 64)


def test_a_node_s_limit_is_run_into_ever_more_seldom(client: BatchClient, node: Node) -> None:
    node.most_blocks = 3
    for _ in range(1000):
        fetched(client, 64)
    refused = [place for place, count in enumerate(node.asked) if count > 3]
    gaps = [later - earlier for earlier, later in pairwise(refused[1:])]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 50 * gaps[0]


class Desk(Executor):
    """Workers who are done at once, with what the test says about the n-th task."""

    def __init__(self, outcome: Callable[[int, RangeTask], ProvenRange | RangeFailure]) -> None:
        self._outcome = outcome
        self.tasks: list[RangeTask] = []

    def submit(self, _: Any, /, task: RangeTask) -> Future[Any]:  # type: ignore[override]
        self.tasks.append(task)
        future: Future[Any] = Future()
        future.set_result(self._outcome(len(self.tasks), task))
        return future

    @property
    def sizes(self) -> list[int]:
        return [task.last - task.first + 1 for task in self.tasks]


def rows(task: RangeTask, *, block_bytes: int = 1) -> ProvenRange:
    header: Any = None
    copied = bytes(block_bytes * (task.last - task.first + 1))
    return ProvenRange(task.first, b"", header, 0, b"", copied, b"", b"")


HISTORY = RangeTask("http://node.invalid", 1, bytes(20), 1, 10**6)
BUSY = RangeFailure("rate_limited", "the node asks to wait", retry_after_seconds=0.0)


async def test_fewer_ranges_are_under_way_after_a_refusal_and_by_and_by_more() -> None:
    async with RangesAhead(
        Desk(lambda n, task: BUSY if n in {1, 9} else rows(task)), HISTORY, workers=4
    ) as ahead:
        under_way = []
        for _ in range(7):
            await ahead.next()
            under_way.append(len(ahead._running))
    # Eight at first; two refusals leave two, and each range that comes allows one more.
    assert under_way == [7, 6, 5, 6, 7, 8, 8]


async def test_a_range_that_was_refused_comes_before_those_behind_it() -> None:
    async with RangesAhead(
        Desk(lambda n, task: BUSY if n < 4 else rows(task)), HISTORY, workers=1
    ) as ahead:
        firsts = [(await ahead.next()).first_number for _ in range(3)]
    assert firsts == [1, 65, 129]


async def test_ranges_grow_while_their_rows_are_few_and_shrink_when_they_are_many() -> None:
    desk = Desk(lambda n, task: rows(task, block_bytes=1 if n < 12 else 32 * 1024))
    async with RangesAhead(desk, HISTORY, workers=1) as ahead:
        for _ in range(16):
            await ahead.next()
    assert desk.sizes[:7] == [64, 64, 128, 256, 512, 1024, 1024]
    assert desk.sizes[-1] == 32  # a megabyte of rows


async def test_a_range_that_never_comes_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.ranges_ahead._MAX_BACKOFF_SECONDS", 0.0)
    lie = RangeFailure("receipts_root", "the receipts hash to another root")
    async with RangesAhead(Desk(lambda *_: lie), HISTORY, workers=1) as ahead:
        with pytest.raises(UnprovenError, match="another root"):
            await ahead.next()
