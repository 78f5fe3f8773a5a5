"""What the chain shows of a submission, whoever broadcast the authorisation in the end."""

import asyncio
from collections.abc import Sequence
from typing import Any

from contracts import billcoin
from contracts.abi import event_topic
from ledger.json_hex import read_data, read_quantity, to_hex
from ledger.store.relay_nonces import RelayTransaction
from ledger.store.relay_submissions import Sight, StoredSubmission, SubmissionStatus
from oracle_api.relay.checks import is_used
from oracle_api.relay.node import Head, Receipt, RelayNode

_WORD_BYTES = 32
_REORGANISATION_BLOCKS = 64
"""After a reorganisation a transaction may be in a block below the head of when we took it."""


async def look(
    node: RelayNode,
    submission: StoredSubmission,
    transactions: Sequence[RelayTransaction],
    head: Head,
) -> Sight:
    """Where a submission stands on the node's chain now.

    Args:
        node: Whom to ask.
        submission: What was taken over.
        transactions: All that were signed for it, the newest first.
        head: The newest block, as it was before this call.
    """
    receipts = await asyncio.gather(*(node.receipt(one.tx_hash) for one in transactions))
    receipt = next((one for one in receipts if one is not None), None)
    if receipt is not None and receipt.succeeded:
        return _seen(SubmissionStatus.INCLUDED, receipt, head)
    if await is_used(node, submission.token, submission.owner, submission.authorization_nonce):
        found = await _look_for_use(node, submission, transactions, head, receipt)
        if found is not None:
            return found
    elif receipt is None and head.timestamp >= submission.valid_before:
        # Every later block is later still, so none can take it.
        is_final = head.finalized_timestamp >= submission.valid_before
        return Sight(SubmissionStatus.EXPIRED, tx_hash=transactions[0].tx_hash, is_final=is_final)
    if receipt is not None:
        return _seen(SubmissionStatus.REVERTED, receipt, head)
    return Sight(_waiting(submission), tx_hash=transactions[0].tx_hash)


def _waiting(submission: StoredSubmission) -> SubmissionStatus:
    """What no block holds, or none any more, waits for one."""
    if submission.status is SubmissionStatus.ACCEPTED:
        return SubmissionStatus.ACCEPTED
    return SubmissionStatus.BROADCAST


def _seen(status: SubmissionStatus, receipt: Receipt, head: Head) -> Sight:
    return Sight(
        status,
        tx_hash=receipt.tx_hash,
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        cost_wei=receipt.cost_wei,
        is_final=receipt.block_number <= head.finalized_number,
    )


async def _look_for_use(
    node: RelayNode,
    submission: StoredSubmission,
    transactions: Sequence[RelayTransaction],
    head: Head,
    reverted: Receipt | None,
) -> Sight | None:
    """The transaction that used or cancelled the authorisation, if it is found.

    Anybody who sees a signature in the mempool may broadcast it first; that pays the order too.
    It is our own all the same when its block came after we had asked for our receipts.
    """
    used = event_topic(billcoin.artifact(), "AuthorizationUsed")
    cancelled = event_topic(billcoin.artifact(), "AuthorizationCanceled")
    topics: list[Any] = [
        [to_hex(used), to_hex(cancelled)],
        to_hex(submission.owner.rjust(_WORD_BYTES, b"\0")),
        to_hex(submission.authorization_nonce),
    ]
    first = max(0, submission.seen_number - _REORGANISATION_BLOCKS)
    logs = await node.logs(submission.token, topics, first_number=first)
    for log in logs:
        tx_hash = read_data(log.get("transactionHash"), field="transactionHash", length=32)
        is_ours = any(one.tx_hash == tx_hash for one in transactions)
        receipt = await node.receipt(tx_hash) if is_ours else None
        if receipt is not None:
            return _seen(SubmissionStatus.INCLUDED, receipt, head)
        is_cancelled = log.get("topics", [None])[0] == to_hex(cancelled)
        number = read_quantity(log.get("blockNumber"), field="blockNumber")
        return Sight(
            SubmissionStatus.CANCELLED if is_cancelled else SubmissionStatus.INCLUDED,
            tx_hash=tx_hash,
            is_foreign=not is_ours,
            block_number=number,
            block_hash=read_data(log.get("blockHash"), field="blockHash", length=32),
            cost_wei=None if reverted is None else reverted.cost_wei,
            is_final=number <= head.finalized_number,
        )
    return None
