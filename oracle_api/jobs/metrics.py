"""What Prometheus sees of the jobs process."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

REGISTRY: Final = CollectorRegistry()

JOBS: Final = Counter(
    "billcoin_jobs",
    "Jobs and scheduled work by name and outcome: done, retried or held.",
    ["name", "outcome"],
    registry=REGISTRY,
)
JOBS_HELD: Final = Gauge(
    "billcoin_jobs_held",
    "Jobs of the whole queue that failed too often and wait for a person: aggregate with max.",
    registry=REGISTRY,
)
JOBS_LATE: Final = Gauge(
    "billcoin_jobs_late_seconds",
    "How long the queue's oldest due job has waited: aggregate with max.",
    registry=REGISTRY,
)


def serve_metrics(host: str, port: int) -> None:
    """Serve `/metrics` on a thread of its own, until the process ends."""
    start_http_server(port, addr=host, registry=REGISTRY)
