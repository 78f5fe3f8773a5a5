"""What a quorum of nodes calls final, and the log line when they contradict each other."""

import pytest
import structlog

from indexer.depths import agreed_depth
from ledger.chain import BlockRef


def block(number: int, branch: str = "a") -> BlockRef:
    return BlockRef(number, branch.encode() * 32)


@pytest.mark.parametrize(
    ("claims", "required", "agreed"),
    [
        ([block(9)], 1, block(9)),
        ([block(9), block(7), block(5)], 1, block(9)),
        ([block(9), block(7), block(5)], 2, block(7)),
        ([block(9), block(7), block(5)], 3, block(5)),
        ([block(9), None, block(5)], 2, block(5)),
        ([block(9), None, None], 2, None),
        ([block(9, "b"), block(9), block(9)], 2, block(9)),
        ([block(9), block(9, "b"), block(5)], 2, block(5)),
        ([block(9), block(9, "b")], 2, None),
    ],
)
def test_it_is_the_highest_block_that_so_many_have_reached(
    claims: list[BlockRef | None], required: int, agreed: BlockRef | None
) -> None:
    named = {f"node {place}": claim for place, claim in enumerate(claims)}
    assert agreed_depth("finalized", named, required=required) == agreed


def test_who_contradicts_whom_is_in_the_log() -> None:
    with structlog.testing.capture_logs() as logged:
        claims = {"left": block(9), "right": block(9, "b"), "slow": block(5), "dumb": None}
        agreed_depth("safe", claims, required=2)
    assert logged == [
        {
            "event": "depths_disagree",
            "log_level": "warning",
            "depth": "safe",
            "claims": {
                "left": "9 0x" + "61" * 32,
                "right": "9 0x" + "62" * 32,
                "slow": "5 0x" + "61" * 32,
            },
            "required": 2,
        }
    ]


def test_nodes_that_are_only_ahead_of_each_other_do_not_disagree() -> None:
    with structlog.testing.capture_logs() as logged:
        agreed_depth("safe", {"ahead": block(9), "behind": block(5), "too": block(5)}, required=2)
    assert logged == []
