"""What Prometheus sees of the relay, at the jobs process."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from ledger.payment_uri import format_address
from ledger.store.relay_submissions import Sight, StoredSubmission, SubmissionStatus
from oracle_api.jobs.metrics import REGISTRY
from oracle_api.relay.node import Head

_WEI_PER_COIN = 10**18
_WAITING = frozenset({SubmissionStatus.ACCEPTED, SubmissionStatus.BROADCAST})


class RelayMetrics:
    """Counters and gauges of the relay, in the registry of its process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.balance = Gauge(
            "billcoin_relayer_balance_coin",
            "The coin that the relayer has for gas.",
            # So that a process without a relayer shows nothing, rather than an empty one.
            ["relayer"],
            registry=registry,
        )
        self.outstanding = Gauge(
            "billcoin_relayer_outstanding",
            "Nonces of the relayer that were taken and that no block has used.",
            registry=registry,
        )
        self.oldest_wait = Gauge(
            "billcoin_relay_oldest_wait_blocks",
            "How many blocks the submission that waits longest has seen go by.",
            registry=registry,
        )
        self.replacements = Counter(
            "billcoin_relay_replacements",
            "Transactions signed anew: replaced, renewed, filled; or capped, when gas is too dear.",
            ["kind"],
            registry=registry,
        )
        self.submissions = Counter(
            "billcoin_relay_submissions",
            "Submissions by the status that they reached; `foreign` when somebody else was first.",
            ["status"],
            registry=registry,
        )
        self.passes = Counter(
            "billcoin_relay_passes",
            "Looks at everything that was broadcast, done or failed.",
            ["outcome"],
            registry=registry,
        )

    def see_balance(self, relayer: bytes, wei: int) -> None:
        """Note what the relayer has."""
        self.balance.labels(format_address(relayer)).set(wei / _WEI_PER_COIN)

    def see_open(self, submissions: Sequence[StoredSubmission], head: Head) -> None:
        """Note how long the oldest of those that wait has waited."""
        waits = [head.number - one.seen_number for one in submissions if one.status in _WAITING]
        self.oldest_wait.set(max(waits, default=0))

    def see(self, submission: StoredSubmission, sight: Sight) -> None:
        """Count a submission that reached another status."""
        if sight.status is not submission.status:
            is_foreign = sight.is_foreign and sight.status is SubmissionStatus.INCLUDED
            self.submissions.labels("foreign" if is_foreign else sight.status).inc()


METRICS: Final = RelayMetrics(REGISTRY)
