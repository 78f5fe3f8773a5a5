"""What a worker process does: fetch a range of blocks, prove it, and write out its rows."""

import functools
import gc
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass

from contracts.followed import FOLLOW_NOTHING, EventDecoder
from indexer.backfill_client import BatchClient, BusyNodeError, UnansweredError
from ledger.block import ProvenBlock, prove_block
from ledger.errors import TransientError
from ledger.store.bulk_rows import ProvenRange, proven_range

_NICENESS = 5


@dataclass(frozen=True, slots=True)
class RangeTask:
    """The blocks to prove, from which node, and for which chain, token and contracts.

    `timeout_seconds` is for one answer, which here holds many blocks.
    """

    node_url: str
    chain_id: int
    token: bytes
    first: int
    last: int
    timeout_seconds: float = 60.0
    events: EventDecoder = FOLLOW_NOTHING


@dataclass(frozen=True, slots=True)
class RangeFailure:
    """Why a range could not be proven; a value, for errors do not travel well between processes."""

    code: str
    message: str
    retry_after_seconds: float | None = None


def enter_worker() -> None:
    """Prepare a worker process: it works for its parent, and ends with it however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    # A proof makes a million short-lived objects and no cycles: looking for some costs a tenth.
    gc.disable()
    # What they wait for, node and database, often shares their processors, as do who serve tills.
    os.nice(_NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def prove_range(task: RangeTask) -> ProvenRange | RangeFailure:
    """Fetch, prove and write out a range; the whole of a worker's work."""
    try:
        return proven_range(task.chain_id, fetch_proven(task))
    except BusyNodeError as error:
        return RangeFailure("rate_limited", str(error), error.retry_after_seconds)
    except TransientError as error:
        code = getattr(error, "code", type(error).__name__)
        return RangeFailure(code, f"blocks {task.first} to {task.last}: {error}")


def fetch_proven(task: RangeTask) -> list[ProvenBlock]:
    """The range's blocks, each proven.

    Raises:
        TransientError: the node does not have them, or what it answers does not check.
    """
    client = _client(task.node_url, task.timeout_seconds)
    blocks: list[ProvenBlock] = []
    while (number := task.first + len(blocks)) <= task.last:
        numbers = range(number, min(number + client.step_blocks, task.last + 1))
        # One batch at a time: its JSON is gone before the next one comes.
        for wanted, (block, receipts) in zip(numbers, client.blocks(numbers), strict=True):
            blocks.append(_prove(block, receipts, wanted, task))
    return blocks


def _prove(block: object, receipts: object, number: int, task: RangeTask) -> ProvenBlock:
    if not isinstance(block, dict) or not isinstance(receipts, list):
        raise UnansweredError(f"the node does not have block {number} and its receipts")
    proven = prove_block(
        block, receipts, expected_hash=None, token=task.token, read_events=task.events
    )
    if proven.header.number != number:
        raise UnansweredError(f"asked for block {number}, got another")
    return proven


@functools.lru_cache(maxsize=8)
def _client(node_url: str, timeout_seconds: float) -> BatchClient:
    """The process's client; its connections stay open from range to range."""
    return BatchClient(node_url, timeout_seconds=timeout_seconds)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
