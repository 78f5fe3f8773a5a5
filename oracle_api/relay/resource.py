"""A submission as clients see it."""

from typing import Any

from ledger.json_hex import to_hex
from ledger.order import Status
from ledger.payment_uri import format_address
from ledger.store.relay_submissions import StoredSubmission, SubmissionStatus
from oracle_api.times import rfc3339


def write_submission(submission: StoredSubmission, order_status: Status) -> dict[str, Any]:
    """The submission with the status of its order, which alone says whether it is paid."""
    landed = submission.status is SubmissionStatus.INCLUDED
    return {
        "relayId": submission.id,
        "object": "submission",
        "orderId": submission.order_id,
        "orderStatus": str(order_status),
        "status": str(submission.status),
        "txHash": to_hex(submission.tx_hash),
        "landedBy": ("other" if submission.is_foreign else "relayer") if landed else None,
        "blockNumber": submission.block_number,
        "isFinal": submission.closed_at is not None,
        "from": format_address(submission.owner),
        "to": format_address(submission.recipient),
        "value": str(submission.amount),
        "nonce": to_hex(submission.authorization_nonce),
        "createdAt": rfc3339(submission.created_at),
    }
