"""What Prometheus sees of the keeper, at the jobs process."""

from typing import Final

from prometheus_client import Counter

from oracle_api.jobs.metrics import REGISTRY

COLLECTIONS: Final = Counter(
    "billcoin_standing_order_collections",
    "Standing orders that the keeper sent for collection or skipped, by outcome and reason.",
    ["outcome", "reason"],
    registry=REGISTRY,
)
