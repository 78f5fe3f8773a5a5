"""What Prometheus sees of the oracle."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.order import Status
from ledger.store.journal import JournalEvent
from ledger.store.tally import Tally
from oracle_api.slow_readers import SlowReaders
from oracle_api.stream.hub import Hub

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

# From half a millisecond to the three seconds that NFR-1 allows, and the longest wait.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 10, 30)


class OrderTotals(Collector):
    """Orders by status and orders ever paid: counted once, then carried on by the journal."""

    def __init__(self) -> None:
        self._by_status: dict[str, int] | None = None
        self._ever_paid = 0

    def start(self, tally: Tally) -> None:
        """Take over the ledger's count, which every replica finds alike."""
        self._by_status = {str(status): tally.by_status.get(status, 0) for status in Status}
        self._ever_paid = tally.ever_paid

    def add(self, events: Sequence[JournalEvent]) -> None:
        """Carry the count on by events that follow it."""
        if self._by_status is None:
            raise RuntimeError("the count has not started")
        for event in events:
            status, previous = event.data.get("status"), event.data.get("previousStatus")
            if event.type == "order.paid" and not event.data.get("wasPaid"):
                self._ever_paid += 1
            # An order found settled at once tells `paid` too; only the event of its own status
            # moves it.
            if event.type in {"order.created", f"order.{status}"}:
                self._by_status[str(status)] += 1
                if previous is not None:
                    self._by_status[previous] -= 1

    def collect(self) -> Iterator[Any]:
        """Nothing before the ledger was counted: a zero would look like a reset."""
        if self._by_status is None:
            return
        yield CounterMetricFamily(
            "payment_success",
            "Orders that were ever paid, of the whole ledger: every replica shows the same total, "
            "so aggregate with max, not sum.",
            value=self._ever_paid,
        )
        orders = GaugeMetricFamily(
            "billcoin_orders",
            "Orders by status, of the whole ledger: aggregate with max, not sum.",
            labels=["status"],
        )
        for status, count in self._by_status.items():
            orders.add_metric([status], count)
        yield orders


class StreamTotals(Collector):
    """The streams of this replica, and whoever did not read."""

    def __init__(self, hub: Hub, slow_readers: SlowReaders) -> None:
        self._hub = hub
        self._slow_readers = slow_readers

    def collect(self) -> Iterator[Any]:
        """How many streams are open now and how many were too slow."""
        yield GaugeMetricFamily(
            "billcoin_streams_open",
            "Event streams open at this replica.",
            value=self._hub.stream_count,
        )
        yield CounterMetricFamily(
            "billcoin_streams_cut_off",
            "Event streams ended because their client read too slowly.",
            value=self._hub.cut_off_count,
        )
        yield CounterMetricFamily(
            "billcoin_connections_cut_off",
            "Connections, streams or not, ended because their client did not read at all.",
            value=self._slow_readers.cut_off_count,
        )


class Metrics:
    """The metrics of one oracle, in a registry of their own."""

    def __init__(self, hub: Hub, slow_readers: SlowReaders) -> None:
        self.registry = CollectorRegistry()
        self.orders = OrderTotals()
        self.registry.register(self.orders)
        self.registry.register(StreamTotals(hub, slow_readers))
        self.validation_latency = Histogram(
            "validation_latency_seconds",
            "From a validation's last byte received to its answer, without a wait asked for.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.validations = Counter(
            "billcoin_validations", "Validations by code.", ["code"], registry=self.registry
        )
        self.attestations = Counter(
            "billcoin_attestations",
            "Attestations by outcome: signed or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.requests = Counter(
            "billcoin_http_requests",
            "HTTP requests by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )

    def render(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)
