"""Fetches proven blocks, one or many side by side, and asks again for what is not there yet."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from indexer.block_source import BlockSource
from indexer.rpc import NotThereYetError, retrying
from ledger.block import ProvenBlock
from ledger.header import Header

Found = TypeVar("Found")


async def fetch_block(source: BlockSource, block_hash: bytes) -> ProvenBlock:
    """A proven block, asked for again while it is not there or the answer is wrong."""
    return await _fetch(lambda: source.block_by_hash(block_hash), f"0x{block_hash.hex()}")


async def fetch_header(source: BlockSource, block_hash: bytes) -> Header:
    """A proven header, asked for again like a block."""
    return await _fetch(lambda: source.header_by_hash(block_hash), f"0x{block_hash.hex()}")


def fetch_hashes(
    source: BlockSource, hashes: Iterable[bytes], *, concurrency: int
) -> AsyncIterator[ProvenBlock]:
    """The blocks of these hashes in order, at most `concurrency` fetched ahead."""
    return _in_order(lambda wanted: fetch_block(source, wanted), hashes, concurrency)


def fetch_range(
    source: BlockSource, first: int, last: int, *, concurrency: int
) -> AsyncIterator[ProvenBlock]:
    """The node's blocks from `first` to `last` in order, at most `concurrency` fetched ahead."""

    def fetch(number: int) -> Awaitable[ProvenBlock]:
        return _fetch(lambda: source.block_by_number(number), str(number))

    return _in_order(fetch, range(first, last + 1), concurrency)


Wanted = TypeVar("Wanted")


async def _in_order(
    fetch: Callable[[Wanted], Awaitable[ProvenBlock]], wanted: Iterable[Wanted], concurrency: int
) -> AsyncIterator[ProvenBlock]:
    ahead: deque[asyncio.Future[ProvenBlock]] = deque()
    try:
        for one in wanted:
            ahead.append(asyncio.ensure_future(fetch(one)))
            if len(ahead) == concurrency:
                yield await ahead[0]
                ahead.popleft()
        while ahead:
            yield await ahead[0]
            ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def in_batches(
    blocks: AsyncIterator[ProvenBlock], size: int
) -> AsyncIterator[list[ProvenBlock]]:
    """The blocks by so many at a time; the last batch may be shorter."""
    batch: list[ProvenBlock] = []
    async for block in blocks:
        batch.append(block)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


async def _fetch(question: Callable[[], Awaitable[Found]], name: str) -> Found:
    async for attempt in retrying():
        with attempt:
            return await question()
    raise NotThereYetError(f"block {name} could not be fetched")
