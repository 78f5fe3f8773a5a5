"""Whether the ledger is fit to answer from: when unsure, the oracle says that it is unsure."""

from dataclasses import dataclass
from enum import StrEnum

from ledger.verification import Verification


class Doubt(StrEnum):
    """Why the oracle refuses to answer; stable, documented in docs/partner.md."""

    LEDGER_EMPTY = "ledger_empty"
    INDEXER_HALTED = "indexer_halted"
    INDEXER_SILENT = "indexer_silent"
    LEDGER_BEHIND = "ledger_behind"
    CHAIN_STALLED = "chain_stalled"
    NODES_DISAGREE = "nodes_disagree"


@dataclass(frozen=True, slots=True)
class Observation:
    """What the indexer last saw at the nodes; `checked_at` in Unix seconds."""

    head_number: int
    nodes_agreeing: int
    nodes_asked: int
    checked_at: float
    halt_code: str | None = None
    halt_reason: str | None = None
    verification: Verification = Verification.FULL


@dataclass(frozen=True, slots=True)
class Limits:
    """How old or how far behind the ledger may be for an answer.

    Without `nodes_required` more than half of the nodes that the indexer has must agree.
    """

    observation_age_seconds: float
    blocks_behind: int
    tip_age_seconds: float
    nodes_required: int | None


def doubt(
    observation: Observation | None,
    *,
    tip_number: int,
    tip_timestamp: int,
    now: float,
    limits: Limits,
) -> Doubt | None:
    """The first reason not to answer from this ledger at `now` (Unix seconds), or None."""
    if observation is None:
        return Doubt.LEDGER_EMPTY
    if observation.halt_code is not None:
        return Doubt.INDEXER_HALTED
    # An observation from the future comes from a clock that jumped, and would look fresh for ever.
    if abs(now - observation.checked_at) > limits.observation_age_seconds:
        return Doubt.INDEXER_SILENT
    if observation.head_number - tip_number > limits.blocks_behind:
        return Doubt.LEDGER_BEHIND
    if now - tip_timestamp > limits.tip_age_seconds:
        return Doubt.CHAIN_STALLED
    if observation.nodes_agreeing < (limits.nodes_required or observation.nodes_asked // 2 + 1):
        return Doubt.NODES_DISAGREE
    return None
