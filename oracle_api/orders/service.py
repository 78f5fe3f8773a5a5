"""Makes and cancels orders inside a transaction that the route has opened."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from ledger.audience import EVERYTHING, Audience
from ledger.errors import RejectedError
from ledger.ids import sortable_id
from ledger.journal import Event, order_event_data
from ledger.order import Order, Standing, Status
from ledger.order_address import order_address, order_key
from ledger.payment_policy import bill_due, expiry
from ledger.rate import LockedRate, RateSource, lock_rate
from ledger.store.actor import Actor
from ledger.store.cursor import Cursor, read_cursor
from ledger.store.journal import notify, read_last_seq
from ledger.store.orders import NewOrder, insert_order, mark_cancelled
from ledger.store.pool import Connection
from ledger.store.prices import read_newest_price
from ledger.store.standings import refresh_standings
from ledger.units import Sen, Units, format_myr
from oracle_api.access.principal import Principal
from oracle_api.idempotency import claim, idempotency_key
from oracle_api.loyalty.students import Students
from oracle_api.orders.repository import PaidOrder, read_with_payments
from oracle_api.orders.requests import MAX_AMOUNT_SEN, NewOrderRequest, order_not_found, read_amount
from oracle_api.problems import UnavailableError
from oracle_api.settings import Settings
from oracle_api.times import Clock, rfc3339, rfc3339_seconds, to_datetime

log = structlog.get_logger()

ID_RANDOM_BYTES = 10


@dataclass(frozen=True, slots=True)
class MadeOrder:
    """An order that was made now, or, when replayed, by the same request before."""

    paid_order: PaidOrder
    is_replayed: bool


class OrderService:
    """Makes and cancels orders; randomness and time are passed in."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        students: Students,
        *,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._students = students
        self._random_bytes = random_bytes

    async def make(
        self,
        connection: Connection,
        request: NewOrderRequest,
        principal: Principal,
        idempotency_header: str | None,
    ) -> MadeOrder:
        """Make an order, or find the one that this request of this account made before.

        Raises:
            RejectedError: an `idempotency_key_...`, `order_empty`, `sku_unknown`,
                `amount_invalid` or `loyalty_off`.
            UnavailableError: `rate_stale`.
        """
        now, customer = self._clock(), self._students.customer(request.studentId)
        key = idempotency_key(
            idempotency_header,
            principal,
            route="POST /api/v1/orders",
            request=request.canonical(customer),
        )
        new_id, moment = self._new_id(now), to_datetime(now)
        claimed = await claim(connection, key, new_id=new_id, now=moment)
        if not claimed.is_replayed:
            rate = await self._lock_rate(connection, int(now))
            cursor = await _cursor(connection, self._settings.chain_id)
            order = self._new_order(
                request,
                new_id,
                principal=principal,
                customer=customer,
                rate=rate,
                tip_timestamp=cursor.tip_timestamp,
                now=now,
            )
            await insert_order(connection, order, event=created_event(order), now=moment)
        made = await _existing(connection, claimed.id, EVERYTHING)
        log.info("order made", orderId=made.order.id, replayed=claimed.is_replayed)
        return MadeOrder(made, is_replayed=claimed.is_replayed)

    async def cancel(
        self, connection: Connection, order_id: str, audience: Audience, *, staff: Actor | None
    ) -> PaidOrder:
        """Cancel an order that nobody has paid; cancelling twice is as good as once.

        What staff do to an order is in the audit log. A buyer's own change of mind is in the
        journal alone: no program of a partner's shall queue there.

        Raises:
            RejectedError: `order_not_found`, or `order_not_cancellable` when it was paid.
        """
        chain_id = self._settings.chain_id
        moment = to_datetime(self._clock())
        await _existing(connection, order_id, audience)
        is_news = await mark_cancelled(connection, order_id, now=moment)
        if is_news:
            cursor = await _cursor(connection, chain_id)
            await refresh_standings(connection, [order_id], cursor.depths, now=moment)
            await notify(connection, tip_number=None, last_seq=await read_last_seq(connection))
            log.info("order cancelled", orderId=order_id)
        found = await _existing(connection, order_id, audience)
        if found.order.status is not Status.CANCELLED:
            raise RejectedError(
                "order_not_cancellable",
                f"the order is {found.order.status}: only one that is not paid can be cancelled",
                param="id",
            )
        if is_news and staff is not None:
            details = {"storeId": found.order.store_id}
            await staff.note(connection, "order.cancelled", order_id, details, now=moment)
        return found

    async def _lock_rate(self, connection: Connection, now: int) -> LockedRate:
        policy = self._settings.rate_policy
        newest = None
        if policy.source is RateSource.FEED:
            newest = await read_newest_price(connection, self._settings.chain_id)
        rate = lock_rate(policy, newest, now=now)
        if rate is None:
            raise UnavailableError(
                "rate_stale",
                "the all-milk price is older than this store sells at; it is tried again by "
                "itself when reporters publish one",
            )
        return rate

    def _new_id(self, now: float) -> str:
        return sortable_id(
            "ord",
            unix_milliseconds=int(now * 1000),
            randomness=self._random_bytes(ID_RANDOM_BYTES),
        )

    def _new_order(
        self,
        request: NewOrderRequest,
        order_id: str,
        *,
        principal: Principal,
        customer: bytes | None,
        rate: LockedRate,
        tip_timestamp: int,
        now: float,
    ) -> NewOrder:
        settings = self._settings
        items, amount = self._price(request)
        return NewOrder(
            id=order_id,
            chain_id=settings.chain_id,
            store_id=principal.store_id or settings.store_id,
            reference=request.reference,
            items=items,
            amount_myr=amount,
            rate_myr_per_bill=rate.rate_myr_per_bill,
            rate_source=rate.source,
            rate_updated_at=rate.updated_at,
            amount_due=bill_due(amount, rate_myr_per_bill=rate.rate_myr_per_bill),
            address=order_address(
                factory=settings.vault_factory_address,
                implementation=settings.vault_implementation_address,
                treasury=settings.treasury_address,
                order_key=order_key(order_id),
            ),
            required_finality=settings.confirmation_policy.required_finality(amount),
            created_at=to_datetime(now),
            expires_at=expiry(
                int(now), tip_timestamp=tip_timestamp, ttl_seconds=self._lifetime_seconds(request)
            ),
            account_id=principal.account_id,
            customer=customer,
            payer_exposure_limit=settings.payer_exposure_limit_myr,
            store_exposure_limit=settings.store_exposure_limit_myr,
        )

    def _lifetime_seconds(self, request: NewOrderRequest) -> int:
        longest = self._settings.order_ttl_seconds
        asked = request.expiresInSeconds
        if asked is not None and asked > longest:
            raise RejectedError(
                "expiry_invalid",
                f"an order can be paid for at most {longest} seconds",
                param="expiresInSeconds",
            )
        return longest if asked is None else asked

    def _price(self, request: NewOrderRequest) -> tuple[list[dict[str, Any]], Sen]:
        if (request.items is None) is (request.amountMyr is None):
            raise RejectedError("order_empty", "give either items or amountMyr", param="items")
        if request.items is None:
            return [], read_amount(str(request.amountMyr))
        items, total = [], 0
        for position, item in enumerate(request.items):
            product = self._settings.products.get(item.sku)
            if product is None:
                raise RejectedError(
                    "sku_unknown",
                    f"the store does not sell {item.sku!r}",
                    param=f"items.{position}.sku",
                )
            total += product.price_myr * item.quantity
            items.append(
                {
                    "sku": product.sku,
                    "name": product.name,
                    "quantity": item.quantity,
                    "unitPriceMyr": format_myr(product.price_myr),
                }
            )
        if total > MAX_AMOUNT_SEN:
            limit = format_myr(Sen(MAX_AMOUNT_SEN))
            raise RejectedError("amount_invalid", f"an order has at most RM {limit}", param="items")
        return items, Sen(total)


async def _cursor(connection: Connection, chain_id: int) -> Cursor:
    cursor = await read_cursor(connection, chain_id)
    if cursor is None:
        raise UnavailableError("ledger_empty", "the indexer has not registered its chain")
    return cursor


async def _existing(connection: Connection, order_id: str, audience: Audience) -> PaidOrder:
    found = await read_with_payments(connection, order_id, audience)
    if found is None:
        raise order_not_found()
    return found


def created_event(order: NewOrder) -> Event:
    """What tells tills of a new order; enough to show it without asking for it."""
    fresh = Order(
        id=order.id,
        amount_due=order.amount_due,
        amount_myr=order.amount_myr,
        required_finality=order.required_finality,
        expires_at=order.expires_at,
    )
    standing = Standing(Status.AWAITING_PAYMENT, Units(0), Units(0), None)
    more = {
        "reference": order.reference,
        "items": list(order.items),
        "storeId": order.store_id,
        "createdAt": rfc3339(order.created_at),
        "expiresAt": rfc3339_seconds(order.expires_at),
    }
    return Event("order.created", order.id, order_event_data(fresh, standing) | more)
