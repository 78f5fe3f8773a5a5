"""The indexer's Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

TIP = Gauge("billcoin_tip_number", "The block that the ledger stands on.")
HEAD = Gauge("billcoin_head_number", "The highest block that a quorum of nodes has reached.")
FINALIZED = Gauge("billcoin_finalized_number", "The highest block that is final in the ledger.")
LEADING = Gauge("billcoin_leading", "1 on the process that writes the ledger, 0 on a standby.")
HALTED = Gauge("billcoin_halted", "1 after the indexer halted, until it is resumed.")
NODES_AGREEING = Gauge("billcoin_nodes_agreeing", "Nodes whose own chain contains our tip.")
NODE_AGREES = Gauge(
    "billcoin_node_agrees", "1 for a node whose own chain contains our tip, 0 for others.", ["node"]
)
NODES_REQUIRED = Gauge("billcoin_nodes_required", "How many nodes must agree.")
BLOCKS = Counter("billcoin_blocks", "Blocks proven and applied.")
TRANSFERS = Counter("billcoin_transfers", "Transfers of BILL applied.")
RETRACTED = Counter("billcoin_blocks_retracted", "Blocks taken back by reorganisations.")
LIES = Counter("billcoin_node_lies", "Answers that did not check.", ["node", "code"])
COMMIT_SECONDS = Histogram(
    "billcoin_commit_seconds",
    "From a head's announcement to the commit of its block.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DRIFT = Gauge(
    "billcoin_reconciliation_drift_units",
    "Ledger minus chain, in base units: total supply and the sampled balances, summed up.",
)
UNMATCHED_TRANSFERS = Gauge(
    "billcoin_unmatched_transfers",
    "Transfers to (in) or from (out) the treasury that are no sweep, payment or refund of ours.",
    ["direction"],
)
REFUNDS = Gauge(
    "billcoin_refunds", "Refunds that are neither settled nor cancelled, by status.", ["status"]
)
RECONCILED_AT = Gauge(
    "billcoin_reconciled_timestamp_seconds", "When ledger and chain were last compared."
)


def serve_metrics(host: str, port: int) -> None:
    """Serve `/metrics` on a thread of its own, until the process ends."""
    start_http_server(port, addr=host)
