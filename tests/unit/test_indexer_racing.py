"""Heads are raced, and who serves well is asked first: what decides, without any node."""

import asyncio
from typing import Any

import pytest

from indexer import source as source_module
from indexer.heads import Announcement, Heads
from indexer.rpc import NodeUnreachableError, RateLimitedError
from indexer.source import Source
from ledger.chain import BlockRef
from ledger.json_hex import UnprovenError


def a_source(name: str) -> Source:
    no_node: Any = None
    return Source(no_node, name=name)


def a_head(number: int, branch: int = 1) -> BlockRef:
    return BlockRef(number, bytes([branch]) * 32)


def has_none(heads: Heads) -> bool:
    return not heads._fresh.is_set()


async def test_the_first_to_announce_a_head_is_the_one_to_ask_for_it() -> None:
    heads, slow, fast = Heads(), a_source("slow"), a_source("fast")
    heads.put(Announcement(a_head(7), slow, received_at=2.0))
    heads.put(Announcement(a_head(7), fast, received_at=1.0))
    assert (await heads.next()).source is fast
    assert (await heads.next()).source is slow
    assert has_none(heads)


async def test_a_higher_head_is_taken_before_an_earlier_one() -> None:
    heads, behind, ahead = Heads(), a_source("behind"), a_source("ahead")
    heads.put(Announcement(a_head(7), behind, received_at=1.0))
    heads.put(Announcement(a_head(8), ahead, received_at=2.0))
    assert [(await heads.next()).head.number for _ in range(2)] == [8, 7]


async def test_of_one_node_only_the_newest_head_counts_even_if_it_is_lower() -> None:
    heads, node = Heads(), a_source("node")
    heads.put(Announcement(a_head(8), node, received_at=1.0))
    heads.put(Announcement(a_head(7, branch=2), node, received_at=2.0))
    assert (await heads.next()).head == a_head(7, branch=2)
    assert has_none(heads)


async def test_what_is_tried_again_hides_no_newer_head() -> None:
    heads, node = Heads(), a_source("node")
    heads.put(Announcement(a_head(7), node, received_at=1.0))
    failed = await heads.next()
    heads.put(Announcement(a_head(8), node, received_at=2.0))
    heads.put(failed)
    assert (await heads.next()).head == a_head(8)
    assert has_none(heads)
    heads.put(failed)
    assert await heads.next() is failed


async def test_who_waits_gets_the_head_that_comes() -> None:
    heads = Heads()
    waiting = asyncio.create_task(heads.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    heads.put(Announcement(a_head(1), a_source("node"), received_at=1.0))
    assert (await waiting).head == a_head(1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only item."""
    now = [1000.0]
    monkeypatch.setattr(source_module.time, "monotonic", lambda: now[0])
    return now


def ranked(*sources: Source) -> list[str]:
    return [source.name for source in sorted(sources, key=lambda source: source.rank())]


def test_the_quicker_node_is_asked_first() -> None:
    near, far = a_source("near"), a_source("far")
    for _ in range(3):
        far.served(0.2)
        near.served(0.01)
    assert ranked(far, near) == ["near", "far"]
    for _ in range(20):
        near.served(0.5)  # what it was once is forgotten by and by
    assert ranked(near, far) == ["far", "near"]


def test_a_node_that_fails_is_asked_after_a_slow_one_until_it_serves_again() -> None:
    near, far = a_source("near"), a_source("far")
    near.served(0.01)
    far.served(0.5)
    near.failed(NodeUnreachableError("no answer"))
    assert ranked(near, far) == ["far", "near"]
    far.failed(NodeUnreachableError("no answer"))
    far.failed(NodeUnreachableError("no answer"))
    assert ranked(far, near) == ["near", "far"]
    far.served(0.5)
    assert ranked(near, far) == ["far", "near"]


def test_a_node_that_lied_is_asked_last_as_long_as_its_quarantine_lasts(
    clock: list[float],
) -> None:
    liar, wreck = a_source("liar"), a_source("wreck")
    liar.lied(UnprovenError("receipts_root", "another root"), is_alone=False)
    for _ in range(5):
        wreck.failed(NodeUnreachableError("no answer"))
    assert ranked(liar, wreck) == ["wreck", "liar"]
    clock[0] += source_module.QUARANTINE_SECONDS
    assert ranked(wreck, liar) == ["liar", "wreck"]
    liar.lied(UnprovenError("receipts_root", "another root"), is_alone=False)
    clock[0] += source_module.QUARANTINE_SECONDS
    assert liar.is_quarantined, "the second time it is for twice as long"


def test_a_node_is_left_alone_as_long_as_it_asks(clock: list[float]) -> None:
    node = a_source("node")
    node.failed(RateLimitedError(30.0))
    clock[0] += 29.0
    assert node.is_resting
    clock[0] += 1.0
    assert not node.is_resting
