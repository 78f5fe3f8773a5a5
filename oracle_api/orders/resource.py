"""An order as clients see it."""

from collections.abc import Sequence
from typing import Any, Final

from ledger.deployment import Deployment
from ledger.json_hex import to_hex
from ledger.order import Payment, Status
from ledger.payment_uri import TransferRequest, format_address, format_payment_uri
from ledger.store.orders import StoredOrder
from ledger.units import Units, format_bill, format_myr
from oracle_api.times import rfc3339, rfc3339_seconds

OPEN_STATUSES: Final = (
    Status.AWAITING_PAYMENT,
    Status.DETECTED,
    Status.UNDERPAID,
    Status.PAID,
    Status.REVERSED,
)
"""What a till still has to look at: nothing here is finished or given up."""


class OrderWriter:
    """Writes orders of one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._token = deployment.token
        self._token_text = format_address(deployment.token)

    def write(self, order: StoredOrder) -> dict[str, Any]:
        """The order without its payments, as in lists and snapshots."""
        return {
            "id": order.id,
            "object": "order",
            "status": str(order.status),
            "storeId": order.store_id,
            "reference": order.reference,
            "items": order.items,
            "amountMyr": format_myr(order.amount_myr),
            "rateMyrPerBill": format(order.rate_myr_per_bill.normalize(), "f"),
            "rateSource": order.rate_source,
            "rateUpdatedAt": order.rate_updated_at and rfc3339_seconds(order.rate_updated_at),
            "rateAgeSeconds": _rate_age(order),
            "amountDue": format_bill(order.amount_due),
            "amountDueUnits": str(order.amount_due),
            "amountReceived": format_bill(order.amount_received),
            "amountOwedBack": format_bill(order.amount_owed_back),
            "amountRefunded": format_bill(order.amount_refunded),
            "chainId": order.chain_id,
            "token": self._token_text,
            "orderAddress": format_address(order.address),
            "paymentUri": self.payment_uri(order),
            "confirmationPolicy": _policy(order),
            "createdAt": rfc3339(order.created_at),
            "expiresAt": rfc3339_seconds(order.expires_at),
            "cancelledAt": order.cancelled_at and rfc3339(order.cancelled_at),
            "paidAt": order.paid_at and rfc3339(order.paid_at),
            "settledAt": order.settled_at and rfc3339(order.settled_at),
            "version": order.version,
        }

    def write_with_payments(
        self, order: StoredOrder, payments: Sequence[Payment]
    ) -> dict[str, Any]:
        """The order with its canonical payments."""
        return self.write(order) | {"payments": [_payment(payment) for payment in payments]}

    def payment_uri(self, order: StoredOrder) -> str:
        """What the QR code says: all that is due, or the rest once a part of it has come."""
        units = order.amount_due
        if order.status is Status.UNDERPAID:
            units = Units(order.amount_due - order.amount_received)
        request = TransferRequest(self._token, order.chain_id, order.address, units)
        return format_payment_uri(request)


def _policy(order: StoredOrder) -> dict[str, Any]:
    payer, store = order.payer_exposure_limit, order.store_exposure_limit
    return {
        "requiredFinality": str(order.required_finality),
        "reason": str(order.policy_reason),
        "payerExposureLimitMyr": None if payer is None else format_myr(payer),
        "storeExposureLimitMyr": None if store is None else format_myr(store),
    }


def _rate_age(order: StoredOrder) -> int | None:
    """How old the price was when the order was made; the chain's clock may run ahead of ours."""
    if order.rate_updated_at is None:
        return None
    return max(int(order.created_at.timestamp()) - order.rate_updated_at, 0)


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "txHash": to_hex(payment.tx_hash),
        "logIndex": payment.log_index,
        "blockNumber": payment.block_number,
        "blockHash": to_hex(payment.block_hash),
        "amount": format_bill(payment.amount),
        "sender": format_address(payment.sender),
        "confirmedAt": rfc3339_seconds(payment.block_timestamp),
    }
