"""Every fault by its name: where it strikes, what the real world does, what the indexer must do."""

from dataclasses import dataclass
from enum import StrEnum

BLOCK_METHODS = ("eth_getBlockByHash", "eth_getBlockByNumber")
RECEIPT_METHODS = ("eth_getBlockReceipts",)
LOG_METHODS = ("eth_getLogs",)
ALL_METHODS: tuple[str, ...] = ()


class Place(StrEnum):
    """Where in the node a fault strikes."""

    VIEW = "view"  # which chain the node believes in
    ANSWER = "answer"  # one result, after it was found
    HEADS = "heads"  # what a newHeads subscription tells
    WIRE = "wire"  # how the answer travels


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail; `methods` are the calls it strikes, all of them when empty."""

    name: str
    place: Place
    happens: str
    demands: str
    methods: tuple[str, ...] = ALL_METHODS
    amount: int = 1
    """How deep, how long or how many, where the fault can be turned up; see `happens`."""


_WAIT = "ask again; nothing is written meanwhile"
_REFUSE = "refuse the block as unproven, ask again or elsewhere"

FAULTS: tuple[Fault, ...] = (
    # What the node believes.
    Fault(
        "lagging_node_null", Place.VIEW,
        "a node behind a load balancer is `amount` blocks behind and answers null", _WAIT,
    ),
    Fault(
        "lagging_node_empty", Place.VIEW,
        "a node that is `amount` blocks behind answers [] for receipts and logs it lacks", _WAIT,
    ),
    Fault(
        "socket_ahead_of_http", Place.VIEW,
        "the socket's node announces heads that the HTTP node lacks for `amount` more blocks",
        _WAIT,
    ),
    Fault(
        "syncing_node", Place.VIEW,
        "a node that restarted shows an old block of ours, `amount` back, as its head",
        "stay: an ancestor of the tip is no reason to take anything back", amount=8,
    ),
    Fault(
        "fake_deep_reorg", Place.VIEW,
        "a node that says it is syncing serves a valid branch from `amount` blocks below final",
        "leave it alone until it has synced; retract nothing",
    ),
    Fault(
        "reorg_past_what_we_keep", Place.VIEW,
        "a node serves a valid branch from `amount` blocks below final, and is not syncing",
        "a minority is caught lying; a quorum halts the indexer loudly, nothing is retracted",
    ),
    Fault(
        "flipping_head", Place.VIEW,
        "a balancer alternates between nodes on two branches (A, B, A), `amount` blocks deep",
        "follow each; events and amounts unwind and re-apply exactly once",
    ),
    Fault(
        "pruned_history", Place.VIEW,
        "blocks more than `amount` below the head are gone (error 4444)",
        "stop at the gap and try again; never skip a block", amount=8,
    ),
    Fault(
        "receipts_by_height_only", Place.VIEW,
        "the node's eth_getBlockReceipts takes no hash and answers null to it",
        "ask by height, and take only the block's own", methods=RECEIPT_METHODS,
    ),
    Fault(
        "finality_overstated", Place.VIEW,
        "the node calls its head safe and finalized",
        "a single node is believed; a quorum of several is not",
    ),
    # One answer.
    Fault(
        "getlogs_omits_log", Place.ANSWER,
        "eth_getLogs leaves out a log that is in the block",
        "never rest on getLogs alone", methods=LOG_METHODS,
    ),
    Fault(
        "unknown_hash_empty", Place.ANSWER,
        "receipts of a hash that the node does not know (yet) are [] instead of null",
        _WAIT, methods=(*RECEIPT_METHODS, *LOG_METHODS),
    ),
    Fault(
        "head_before_receipts", Place.ANSWER,
        "a block is announced and served while its receipts are still null",
        _WAIT, methods=RECEIPT_METHODS,
    ),
    Fault(
        "receipts_of_another_block", Place.ANSWER,
        "the parent's receipts come, relabelled as the block's own",
        _REFUSE, methods=RECEIPT_METHODS,
    ),
    Fault(
        "another_block", Place.ANSWER,
        "the parent comes instead of the block that was asked for",
        _REFUSE, methods=BLOCK_METHODS,
    ),
    Fault(
        "truncated_results", Place.ANSWER,
        "a list ends early and nothing says so",
        _REFUSE, methods=(*BLOCK_METHODS, *RECEIPT_METHODS, *LOG_METHODS),
    ),
    Fault(
        "receipts_wrong", Place.ANSWER,
        "a receipt's log names another amount or recipient, or a failed one succeeded",
        _REFUSE, methods=RECEIPT_METHODS,
    ),
    Fault(
        "forged_transfer", Place.ANSWER,
        "a transfer that never happened is added to a receipt",
        _REFUSE, methods=RECEIPT_METHODS,
    ),
    Fault(
        "wrong_header", Place.ANSWER,
        "a header field (time, parent, a root) is not what the hash commits to",
        _REFUSE, methods=BLOCK_METHODS,
    ),
    Fault(
        "duplicate_log_index", Place.ANSWER,
        "two logs of a block have the same index",
        _REFUSE, methods=(*RECEIPT_METHODS, *LOG_METHODS),
    ),
    Fault(
        "missing_log_index", Place.ANSWER,
        "a log has no index, or the count leaves one out",
        _REFUSE, methods=(*RECEIPT_METHODS, *LOG_METHODS),
    ),
    Fault(
        "removed_log", Place.ANSWER,
        "a log marked removed: true is mixed in",
        _REFUSE, methods=(*RECEIPT_METHODS, *LOG_METHODS),
    ),
    Fault(
        "wrong_transaction_hash", Place.ANSWER,
        "a transaction or receipt is named by another transaction's hash",
        "refuse the block, or ignore what the root does not commit to",
        methods=(*BLOCK_METHODS, *RECEIPT_METHODS),
    ),
    Fault(
        "wrong_chain_id", Place.ANSWER,
        "the node is on another chain",
        "refuse to start, quarantine the node", methods=("eth_chainId", "net_version"),
    ),
    Fault(
        "reorg_during_fetch", Place.ANSWER,
        "the chain reorganises `amount` deep between the answers that a switch is planned from",
        "plan again; a broken branch is never applied",
        methods=("eth_getBlockByHash",),
    ),
    # The subscription.
    Fault(
        "subscription_silent", Place.HEADS,
        "a subscription dies without the socket closing",
        "polling goes on; reconnect after three block times",
    ),
    Fault("heads_skipped", Place.HEADS, "a head is never announced", "fetch the gap by parents"),
    Fault("head_twice", Place.HEADS, "the same head is announced twice", "apply it once"),
    Fault(
        "lower_head", Place.HEADS,
        "after a head, one `amount` lower on the same chain is announced", "stay",
    ),
    Fault(
        "socket_on_another_branch", Place.HEADS,
        "the socket announces a sibling that the HTTP node never gets",
        "give up on it and follow what can be had",
    ),
    Fault(
        "malformed_head", Place.HEADS,
        "a notification lacks its hash or is no JSON", "ignore it, or reconnect",
    ),
    # The wire.
    Fault(
        "rate_limited", Place.WIRE,
        "HTTP 429 with Retry-After of `amount` seconds", "wait as asked; use other nodes meanwhile",
    ),
    Fault(
        "connection_reset", Place.WIRE,
        "the connection is cut in the middle of an answer", "reconnect and ask again",
    ),
    Fault(
        "slow_answer", Place.WIRE,
        "an answer takes `amount` seconds", "give up at the timeout and ask again", amount=30,
    ),
    Fault("http_500", Place.WIRE, "HTTP 500 with a page of HTML", "ask again"),
    Fault("invalid_json", Place.WIRE, "the body is cut-off JSON", "ask again"),
    Fault(
        "error_object", Place.WIRE,
        "a JSON-RPC error object (-32603) with HTTP 200", "ask again",
    ),
    Fault(
        "huge_answer", Place.WIRE,
        "an answer that announces 1 TiB", "refuse it unread, ask again",
    ),
)  # fmt: skip

BY_NAME = {fault.name: fault for fault in FAULTS}
