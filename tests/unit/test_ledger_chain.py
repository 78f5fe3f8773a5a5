"""How a proven branch relates to the chain that we stand on."""

import pytest

from ledger.chain import BlockRef, BrokenBranchError, FinalityConflictError, check_switch
from ledger.errors import CorruptError, LedgerError, RejectedError, TransientError
from ledger.header import Header


def block_hash(number: int, branch: str = "a") -> bytes:
    return f"{branch}{number}".encode().rjust(32, b"\0")


def ref(number: int, branch: str = "a") -> BlockRef:
    return BlockRef(number, block_hash(number, branch))


def headers(first: int, last: int, *, on: BlockRef, branch: str = "b") -> list[Header]:
    made, parent = [], on.hash
    for number in range(first, last + 1):
        own = block_hash(number, branch)
        made.append(Header(number, own, parent, number * 12, bytes(32), bytes(32)))
        parent = own
    return made


def replaced(fork: BlockRef, branch: list[Header], *, tip: int = 10, finalized: int = 5) -> int:
    return check_switch(tip=ref(tip), finalized=ref(finalized), fork=fork, branch=branch)


def test_growing_on_the_tip_replaces_nothing() -> None:
    assert replaced(ref(10), headers(11, 11, on=ref(10))) == 0
    assert replaced(ref(10), headers(11, 40, on=ref(10))) == 0


def test_no_branch_on_the_tip_replaces_nothing() -> None:
    assert replaced(ref(10), []) == 0


@pytest.mark.parametrize("fork", range(5, 10))
def test_a_fork_replaces_what_stands_above_it(fork: int) -> None:
    assert replaced(ref(fork), headers(fork + 1, 12, on=ref(fork))) == 10 - fork


def test_a_shorter_branch_and_a_mere_step_back_replace_too() -> None:
    assert replaced(ref(7), headers(8, 8, on=ref(7))) == 3
    assert replaced(ref(7), []) == 3


@pytest.mark.parametrize("fork", range(5))
def test_nothing_final_is_ever_replaced(fork: int) -> None:
    with pytest.raises(FinalityConflictError, match=f"block {fork}"):
        replaced(ref(fork), headers(fork + 1, 20, on=ref(fork)))
    with pytest.raises(FinalityConflictError):
        replaced(ref(fork), [])


def test_a_branch_must_link_by_hash_and_by_number() -> None:
    good = headers(11, 14, on=ref(10))
    broken = [
        headers(11, 12, on=ref(10, "x")),  # not on the fork
        [good[0], good[2]],  # a hole
        [good[0], good[0]],  # a repetition
        good[::-1],
        headers(12, 13, on=ref(10)),  # a number skipped
        headers(10, 11, on=ref(10)),  # a number repeated
    ]
    for branch in broken:
        with pytest.raises(BrokenBranchError):
            replaced(ref(10), branch)


def test_a_broken_branch_is_told_before_a_conflict() -> None:
    """Answers of two moments are no reason to stop for good."""
    with pytest.raises(BrokenBranchError):
        replaced(ref(2), headers(3, 9, on=ref(2, "x")))


def test_the_errors_say_whether_to_retry_or_to_stop() -> None:
    assert issubclass(BrokenBranchError, TransientError)
    assert issubclass(FinalityConflictError, CorruptError)
    kinds = (TransientError, RejectedError, CorruptError)
    assert all(issubclass(kind, LedgerError) for kind in kinds)
    assert not any(issubclass(a, b) for a in kinds for b in kinds if a is not b)
