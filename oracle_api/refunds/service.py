"""Makes, records and cancels refunds inside a transaction that the route has opened."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from ledger.audience import EVERYTHING, Audience
from ledger.errors import RejectedError
from ledger.ids import sortable_id
from ledger.json_hex import to_hex
from ledger.refund import PROVED, Refund, Refundable, RefundStatus, source
from ledger.store.actor import Actor
from ledger.store.journal import notify, read_last_seq
from ledger.store.orders import is_order_address, read_order_by_id
from ledger.store.pool import Connection
from ledger.store.refund_lists import StoredRefund, read_stored_refund
from ledger.store.refunds import (
    NewRefund,
    cancel_refund,
    insert_refund,
    lock_refund,
    lock_refundable,
    record_transaction,
)
from ledger.units import format_bill
from oracle_api.access.audience import audience_of
from oracle_api.access.principal import Principal, Role
from oracle_api.idempotency import claim, idempotency_key
from oracle_api.orders.requests import order_not_found
from oracle_api.refunds.requests import (
    NewRefundRequest,
    read_reason,
    read_recipient,
    read_refund_amount,
    read_tx_hash,
    refund_not_found,
)
from oracle_api.settings import Settings
from oracle_api.times import Clock, to_datetime

log = structlog.get_logger()

ID_RANDOM_BYTES = 10


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and in which request."""

    principal: Principal
    request_id: str


@dataclass(frozen=True, slots=True)
class MadeRefund:
    """A refund as it stands, and whether the same request had made it before."""

    refund: StoredRefund
    is_replayed: bool


class RefundService:
    """Refunds of one deployment; randomness and time are passed in."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random_bytes = random_bytes

    async def make(
        self,
        connection: Connection,
        order_id: str,
        request: NewRefundRequest,
        caller: Caller,
        idempotency_header: str | None,
    ) -> MadeRefund:
        """Promise a part of an order's money, at most what may still be refunded.

        Raises:
            RejectedError: `order_not_found`, an `idempotency_key_...`, `refund_too_large`,
                `refund_awaits_finality`, or what is wrong with the request.
        """
        principal, now = caller.principal, to_datetime(self._clock())
        new = self._new(order_id, request, principal)
        key = idempotency_key(
            idempotency_header,
            principal,
            route=f"POST /api/v1/orders/{order_id}/refunds",
            request=request.canonical(),
        )
        await check_order(connection, order_id, principal)
        claimed = await claim(connection, key, new_id=new.id, now=now)
        if not claimed.is_replayed:
            await _promise(connection, new, now)
            details = {"orderId": order_id, "amount": format_bill(new.amount), "to": request.to}
            await self._tell(connection, caller, "refund.requested", new.id, details)
        made = await read_existing(connection, order_id, claimed.id)
        return MadeRefund(made, is_replayed=claimed.is_replayed)

    async def record(
        self,
        connection: Connection,
        order_id: str,
        refund_id: str,
        tx_hash: str,
        caller: Caller,
    ) -> StoredRefund:
        """Note the transaction that pays a refund; the next block that holds it proves it.

        Raises:
            RejectedError: `order_not_found`, `refund_not_found`, `refund_cancelled`,
                `refund_already_proved` or `tx_hash_invalid`.
        """
        sent = read_tx_hash(tx_hash)
        refund, status = await self._locked(connection, order_id, refund_id, caller.principal)
        if refund.tx_hash == sent and status is not RefundStatus.CANCELLED:
            return await read_existing(connection, order_id, refund_id)
        if status in PROVED:
            raise RejectedError(
                "refund_already_proved", "another transaction has paid this refund", param="id"
            )
        if status is RefundStatus.CANCELLED:
            raise RejectedError("refund_cancelled", "this refund was cancelled", param="id")
        await record_transaction(
            connection,
            replace(refund, tx_hash=sent),
            status,
            account_id=caller.principal.account_id,
            now=to_datetime(self._clock()),
        )
        details = {"orderId": order_id, "txHash": to_hex(sent)}
        await self._tell(connection, caller, "refund.sent", refund_id, details)
        return await read_existing(connection, order_id, refund_id)

    async def cancel(
        self,
        connection: Connection,
        order_id: str,
        refund_id: str,
        note: str,
        caller: Caller,
    ) -> StoredRefund:
        """Let go of what a refund has promised; cancelling twice is as good as once.

        Raises:
            RejectedError: `order_not_found`, `refund_not_found` or `refund_already_proved`.
        """
        refund, status = await self._locked(connection, order_id, refund_id, caller.principal)
        if status in PROVED:
            raise RejectedError(
                "refund_already_proved", "the money has gone: it cannot be cancelled", param="id"
            )
        if status is not RefundStatus.CANCELLED:
            await cancel_refund(
                connection,
                refund,
                status,
                account_id=caller.principal.account_id,
                note=note,
                now=to_datetime(self._clock()),
            )
            details = {"orderId": order_id, "note": note}
            await self._tell(connection, caller, "refund.cancelled", refund_id, details)
        return await read_existing(connection, order_id, refund_id)

    def _new(self, order_id: str, request: NewRefundRequest, principal: Principal) -> NewRefund:
        settings = self._settings
        ours = (
            *(settings.token_address, settings.treasury_address),
            *(settings.vault_factory_address, settings.vault_implementation_address),
        )
        return NewRefund(
            id=sortable_id(
                "ref",
                unix_milliseconds=int(self._clock() * 1000),
                randomness=self._random_bytes(ID_RANDOM_BYTES),
            ),
            order_id=order_id,
            account_id=principal.account_id,
            reason=read_reason(request.reason),
            note=request.note,
            amount=read_refund_amount(request.amount),
            recipient=read_recipient(request.to, refused=ours),
        )

    async def _locked(
        self, connection: Connection, order_id: str, refund_id: str, principal: Principal
    ) -> tuple[Refund, RefundStatus]:
        await check_order(connection, order_id, principal)
        found = await lock_refund(connection, order_id, refund_id)
        if found is None:
            raise refund_not_found()
        return found

    async def _tell(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        refund_id: str,
        details: dict[str, str],
    ) -> None:
        """Wake the oracles and write the audit log, which comes last in a transaction."""
        await notify(connection, tip_number=None, last_seq=await read_last_seq(connection))
        actor = Actor(caller.principal.account_id, caller.request_id)
        await actor.note(connection, action, refund_id, details, now=to_datetime(self._clock()))
        log.info(action, refundId=refund_id, by=actor.id)


async def _promise(connection: Connection, new: NewRefund, now: datetime) -> None:
    order = await lock_refundable(connection, new.order_id)
    if order is None:
        raise order_not_found()
    if await is_order_address(connection, new.recipient):
        raise RejectedError(
            "recipient_refused", "this is an order address: it pays its order", param="to"
        )
    _check_amount(new, order.refundable)
    await insert_refund(connection, new, order, now=now)


def audience_of_refunds(principal: Principal) -> Audience:
    """Whose orders' refunds a caller may see; an auditor looks into all the books."""
    return EVERYTHING if principal.has(Role.AUDITOR) else audience_of(principal)


async def check_order(connection: Connection, order_id: str, principal: Principal) -> None:
    """Refuse an order that is not there and one that is none of the caller's alike.

    Raises:
        RejectedError: `order_not_found`.
    """
    order = await read_order_by_id(connection, order_id)
    if order is None or not audience_of_refunds(principal).includes(
        order.store_id, order.account_id
    ):
        raise order_not_found()


async def read_existing(connection: Connection, order_id: str, refund_id: str) -> StoredRefund:
    """One refund.

    Raises:
        RejectedError: `refund_not_found`.
    """
    found = await read_stored_refund(connection, order_id, refund_id)
    if found is None:
        raise refund_not_found()
    return found


def _check_amount(new: NewRefund, left: Refundable) -> None:
    account = source(new.reason)
    if new.amount <= left.of(account):
        return
    shown = f"{format_bill(left.of(account))} BILL can be refunded for {new.reason} now"
    if new.amount <= left.of(account) + left.pending(account):
        raise RejectedError(
            "refund_awaits_finality", f"{shown}, more once its block is finalized", param="amount"
        )
    raise RejectedError("refund_too_large", shown, param="amount")
