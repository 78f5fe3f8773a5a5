"""What must hold before a relayed payment costs any gas."""

import asyncio
from dataclasses import dataclass

from contracts import billcoin
from contracts.abi import call_data
from contracts.billcoin import Authorization
from ledger.errors import RejectedError
from ledger.order import Status
from ledger.store.orders import StoredOrder
from ledger.units import Units, format_bill
from oracle_api.relay.authorization import SignedAuthorization
from oracle_api.relay.node import Head, NodeRefusedError, RelayNode

PAYABLE = frozenset({Status.AWAITING_PAYMENT, Status.UNDERPAID})
GAS_LIMIT_MAX = 200_000
"""An authorised transfer takes about 80,000; what takes much more is not our token's."""

_GAS_MARGIN_NUMERATOR, _GAS_MARGIN_DENOMINATOR = 6, 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What the node says of a transfer that would succeed now."""

    head: Head
    tip_wei: int
    gas_limit: int
    pending_count: int
    mined_count: int
    relayer_balance_wei: int


def still_due(order: StoredOrder) -> Units:
    """What has to come yet, in base units."""
    return Units(order.amount_due - order.amount_received)


def require_payable(order: StoredOrder, authorization: Authorization) -> None:
    """Make sure that this transfer completes the order, no more and no less.

    Less would leave the payer with a part paid, more would be owed back; both by our gas.

    Raises:
        RejectedError: `order_not_payable` or `value_mismatch`.
    """
    if order.status not in PAYABLE:
        raise RejectedError(
            "order_not_payable", f"the order is {order.status}: nothing is due", param="orderId"
        )
    due = still_due(order)
    if authorization.units != due:
        raise RejectedError(
            "value_mismatch",
            f"{format_bill(due)} BILL are still due, which is a value of {due}",
            param="value",
        )


def require_window(
    order: StoredOrder, authorization: Authorization, *, now: int, margin_seconds: int
) -> None:
    """Make sure that the transfer can land now, and cannot once the order has expired.

    Raises:
        RejectedError: `order_not_payable`, `authorization_not_yet_valid`,
            `authorization_expired` or `authorization_outlives_order`.
    """
    if order.expires_at < now + margin_seconds:
        raise RejectedError(
            "order_not_payable", "the order expires too soon to be paid", param="orderId"
        )
    if authorization.valid_after_seconds > now:
        raise RejectedError(
            "authorization_not_yet_valid", "validAfter is in the future", param="validAfter"
        )
    if authorization.valid_before_seconds < now + margin_seconds:
        raise RejectedError(
            "authorization_expired",
            f"validBefore must be at least {margin_seconds} seconds ahead",
            param="validBefore",
        )
    if authorization.valid_before_seconds > order.expires_at:
        raise RejectedError(
            "authorization_outlives_order",
            f"validBefore must not be after the order's expiry, {order.expires_at}: "
            "so it cannot be paid late",
            param="validBefore",
        )


async def preview(
    node: RelayNode, signed: SignedAuthorization, *, token: bytes, relayer: bytes
) -> Preview:
    """Ask the node whether the transfer would succeed in the next block.

    Raises:
        RejectedError: `authorization_used`, `balance_insufficient` or `transfer_would_fail`.
        NodeAwayError, NodeRefusedError: as they say.
    """
    authorization = signed.authorization
    (used, held, gas), (head, tip_wei, pending, mined, coin) = await asyncio.gather(
        asyncio.gather(
            is_used(node, token, authorization.owner, authorization.nonce),
            balance(node, token, authorization.owner),
            _gas_or_refusal(node, signed, token, relayer),
        ),
        asyncio.gather(
            node.head(),
            node.tip_wei(),
            node.transaction_count(relayer, "pending"),
            node.transaction_count(relayer, "latest"),
            node.balance_wei(relayer),
        ),
    )
    if used:
        raise RejectedError(
            "authorization_used",
            "the authorisation was used or cancelled on the chain; sign one with a new nonce",
            param="nonce",
        )
    if held < authorization.units:
        raise RejectedError(
            "balance_insufficient", f"`from` holds {format_bill(held)} BILL", param="from"
        )
    if isinstance(gas, NodeRefusedError) or gas > GAS_LIMIT_MAX:
        raise RejectedError("transfer_would_fail", "the token refuses the transfer")
    limit = gas * _GAS_MARGIN_NUMERATOR // _GAS_MARGIN_DENOMINATOR
    return Preview(head, tip_wei, limit, pending, mined, coin)


async def is_used(node: RelayNode, token: bytes, owner: bytes, nonce: bytes) -> bool:
    """Whether an authorisation can no longer be used."""
    data = call_data(billcoin.artifact(), "authorizationState", owner, nonce)
    return int.from_bytes(await node.read_contract(token, data, sender=owner)) != 0


async def balance(node: RelayNode, token: bytes, owner: bytes) -> Units:
    """How much BILL an account holds."""
    data = call_data(billcoin.artifact(), "balanceOf", owner)
    return Units(int.from_bytes(await node.read_contract(token, data, sender=owner)))


async def _gas_or_refusal(
    node: RelayNode, signed: SignedAuthorization, token: bytes, relayer: bytes
) -> int | NodeRefusedError:
    """The simulation; why it fails the other answers tell better."""
    data = signed.call_data()
    try:
        await node.read_contract(token, data, sender=relayer)
        return await node.estimate_gas(token, data, sender=relayer)
    except NodeRefusedError as error:
        if not error.is_revert:
            raise
        return error
