"""What Prometheus sees of webhooks, in the jobs process."""

from typing import Final

from prometheus_client import Counter, Gauge

from oracle_api.jobs.metrics import REGISTRY

ATTEMPTS: Final = Counter(
    "billcoin_webhook_attempts",
    "Attempts of deliveries by outcome: delivered, retried or failed for good.",
    ["outcome"],
    registry=REGISTRY,
)
BACKLOG: Final = Gauge(
    "billcoin_webhook_backlog_seconds",
    "How long the oldest delivery that was never attempted has been due: aggregate with max.",
    registry=REGISTRY,
)
DISABLED: Final = Counter(
    "billcoin_webhooks_disabled",
    "Endpoints disabled without their owner, by reason: gone or failing.",
    ["reason"],
    registry=REGISTRY,
)
