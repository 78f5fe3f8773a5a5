"""When the oracle does not answer from its ledger, and which reason it names first."""

from dataclasses import replace

import pytest

from ledger.confidence import Doubt, Limits, Observation, doubt

LIMITS = Limits(
    observation_age_seconds=10.0, blocks_behind=3, tip_age_seconds=60.0, nodes_required=2
)
NOW = 1_700_000_000.0
GOOD = Observation(head_number=100, nodes_agreeing=2, nodes_asked=2, checked_at=NOW)


def asked(observation: Observation | None, *, tip: int = 100, age: float = 0.0) -> Doubt | None:
    timestamp = int(NOW - age)
    return doubt(observation, tip_number=tip, tip_timestamp=timestamp, now=NOW, limits=LIMITS)


def test_a_fresh_ledger_that_nodes_agree_on_answers() -> None:
    assert asked(GOOD) is None


@pytest.mark.parametrize(
    ("observation", "tip", "age"),
    [
        (replace(GOOD, checked_at=NOW - 10.0), 100, 0),
        (replace(GOOD, checked_at=NOW + 5.0), 100, 0),  # the indexer's clock may run a little ahead
        (replace(GOOD, head_number=103), 100, 0),
        (replace(GOOD, head_number=90), 100, 0),  # a lagging node is behind us, not we
        (GOOD, 100, 60),
        (replace(GOOD, nodes_agreeing=3, nodes_asked=3), 100, 0),
    ],
)
def test_at_its_limits_it_still_answers(observation: Observation, tip: int, age: float) -> None:
    assert asked(observation, tip=tip, age=age) is None


@pytest.mark.parametrize(
    ("observation", "age", "expected"),
    [
        (None, 0, Doubt.LEDGER_EMPTY),
        (replace(GOOD, halt_code="finality_conflict"), 0, Doubt.INDEXER_HALTED),
        (replace(GOOD, halt_code=""), 0, Doubt.INDEXER_HALTED),
        (replace(GOOD, checked_at=NOW - 10.001), 0, Doubt.INDEXER_SILENT),
        (replace(GOOD, checked_at=NOW + 10.001), 0, Doubt.INDEXER_SILENT),  # a clock that jumped
        (replace(GOOD, head_number=104), 0, Doubt.LEDGER_BEHIND),
        (GOOD, 61, Doubt.CHAIN_STALLED),
        (replace(GOOD, nodes_agreeing=1), 0, Doubt.NODES_DISAGREE),
    ],
)
def test_past_a_limit_it_says_which(
    observation: Observation | None, age: float, expected: Doubt
) -> None:
    assert asked(observation, age=age) is expected


@pytest.mark.parametrize(("asked_nodes", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_unless_told_otherwise_more_than_half_of_the_nodes_must_agree(
    asked_nodes: int, needed: int
) -> None:
    """As the indexer counts: an oracle that was not told of its nodes must not take one's word."""
    limits = replace(LIMITS, nodes_required=None)
    for agreeing in range(asked_nodes + 1):
        seen = replace(GOOD, nodes_agreeing=agreeing, nodes_asked=asked_nodes)
        found = doubt(seen, tip_number=100, tip_timestamp=int(NOW), now=NOW, limits=limits)
        assert found is (None if agreeing >= needed else Doubt.NODES_DISAGREE)


def test_every_doubt_is_reached_and_the_graver_is_told_first() -> None:
    worst = Observation(
        head_number=1000, nodes_agreeing=0, nodes_asked=3, checked_at=0.0, halt_code="halted"
    )
    cures = [
        lambda seen: replace(seen, halt_code=None),
        lambda seen: replace(seen, checked_at=NOW),
        lambda seen: replace(seen, head_number=100),
    ]
    told, observation = [asked(None, age=99), asked(worst, age=99)], worst
    for cure in cures:
        observation = cure(observation)
        told.append(asked(observation, age=99))
    told.append(asked(observation))
    assert told == list(Doubt)
