"""The all-milk price feed: its artifact, its terms, and its unit."""

from collections.abc import Sequence
from typing import NamedTuple, NewType

from contracts import abi
from contracts.artifact import Artifact, load_artifact
from ledger.units import format_decimal, parse_decimal

PRICE_DECIMALS = 8

Price = NewType("Price", int)
"""Ringgit per litre, or per BILL, with 8 decimals."""

EVENTS = (
    *("AnswerUpdated", "PriceReported", "RoundDropped", "PriceHeld", "HeldPriceConfirmed"),
    *("ReporterApproved", "ReporterRevoked", "PolicySet"),
)
"""What an indexer follows; `contracts.abi.event_topic(artifact(), name)` is each one's topic."""


class Policy(NamedTuple):
    """How many must report, and when a price is too far or too old.

    Attributes:
        min_reports: Reports that close a round; at least three.
        breaker_reports: Reports that publish a price however far it moved; more than `min_reports`.
        max_deviation_bps: What is far, in hundredths of a percent of the last price.
        window_seconds: How long a round waits for reports.
        stale_after_seconds: How old a price `is_stale` still calls fresh.
    """

    min_reports: int
    breaker_reports: int
    max_deviation_bps: int
    window_seconds: int
    stale_after_seconds: int


class Round(NamedTuple):
    """What `getRoundData` and `latestRoundData` answer, in order."""

    round_id: int
    price: Price
    started_at_seconds: int
    updated_at_seconds: int
    answered_in_round: int


def format_price(price: int) -> str:
    """A price as a decimal."""
    return format_decimal(price, decimals=PRICE_DECIMALS, min_decimals=2)


def parse_price(text: str, *, param: str) -> Price:
    """A decimal as a price.

    Raises:
        RejectedError: `amount_invalid`.
    """
    return Price(parse_decimal(text, decimals=PRICE_DECIMALS, param=param))


def artifact() -> Artifact:
    """The compiled feed; its deployer becomes owner."""
    return load_artifact("milk_price_feed")


def init_code(*, delay_seconds: int, reporters: Sequence[bytes], policy: Policy) -> bytes:
    """The data of the transaction that deploys the feed.

    Args:
        delay_seconds: How long dangerous changes are announced before they can be made.
        reporters: The first reporters, 20 bytes each, at least as many as the quorum.
        policy: Quorums, deviation, window and staleness.
    """
    return abi.init_code(artifact(), delay_seconds, list(reporters), tuple(policy))
