"""A refund as clients see it."""

from typing import Any

from ledger.json_hex import to_hex
from ledger.order import Depths
from ledger.payment_uri import format_address
from ledger.store.refund_lists import StoredRefund
from ledger.units import format_bill
from oracle_api.times import rfc3339


def write_refund(refund: StoredRefund, depths: Depths) -> dict[str, Any]:
    """The refund, with how deep the block lies that proves it."""
    number, block_hash = refund.block_number, refund.block_hash
    return {
        "id": refund.id,
        "object": "refund",
        "orderId": refund.order_id,
        "storeId": refund.store_id,
        "status": str(refund.status),
        "reason": str(refund.reason),
        "note": refund.note,
        "amount": format_bill(refund.amount),
        "amountUnits": str(refund.amount),
        "to": format_address(refund.recipient),
        "requestedBy": refund.account_id,
        "createdAt": rfc3339(refund.created_at),
        "txHash": refund.tx_hash and to_hex(refund.tx_hash),
        "proof": None
        if number is None or block_hash is None
        else {
            "blockNumber": number,
            "blockHash": to_hex(block_hash),
            "logIndex": refund.log_index,
            "finality": str(depths.finality(number)),
        },
        "cancelledAt": refund.cancelled_at and rfc3339(refund.cancelled_at),
        "verifiedAt": refund.verified_at and rfc3339(refund.verified_at),
        "settledAt": refund.settled_at and rfc3339(refund.settled_at),
        "version": refund.version,
    }
