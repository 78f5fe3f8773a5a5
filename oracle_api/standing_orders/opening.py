"""The order that a period of a standing order is, so that it is matched and told like any other."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from contracts import standing_orders
from contracts.milk_price_feed import PRICE_DECIMALS, Price
from ledger.order_address import order_address, order_key
from ledger.store.orders import NewOrder, insert_order, read_order_by_id
from ledger.store.pool import Connection
from ledger.store.standing_orders import SignedStandingOrder
from ledger.units import Units, format_bill
from oracle_api.orders.service import created_event
from oracle_api.settings import Settings
from oracle_api.standing_orders.terms import signed_terms


class Due(Protocol):
    """What the contract will collect, at which price, for which period."""

    @property
    def period(self) -> int: ...  # noqa: D102 - as the class says

    @property
    def price(self) -> int: ...  # noqa: D102

    @property
    def units(self) -> int: ...  # noqa: D102


async def open_order(
    connection: Connection,
    settings: Settings,
    stored: SignedStandingOrder,
    *,
    assessed: Due,
    now: datetime,
) -> None:
    """Open the order of a period that is collected into one of our vaults, once.

    A collection straight to the treasury, or to another merchant, is no order of this store.
    Should the price change between now and the block, the order says what is missing or owed.
    """
    if not stored.into_vaults or stored.merchant != settings.treasury_address:
        return
    terms = signed_terms(stored)
    order_id = standing_orders.order_id(terms, period=assessed.period)
    amount = standing_orders.amount_due(terms, price=Price(assessed.price))
    # Under the relayer's lock nobody else opens one; a period may be tried several times.
    if amount <= 0 or await read_order_by_id(connection, order_id) is not None:
        return
    order = NewOrder(
        id=order_id,
        chain_id=settings.chain_id,
        store_id=settings.store_id,
        reference=f"standing order, period {assessed.period}",
        items=[{"standingOrder": f"sto_{stored.order_hash.hex()}", "litres": litres(stored)}],
        amount_myr=amount,
        rate_myr_per_bill=Decimal(stored.rate).scaleb(-PRICE_DECIMALS),
        amount_due=Units(assessed.units),
        address=order_address(
            factory=settings.vault_factory_address,
            implementation=settings.vault_implementation_address,
            treasury=settings.treasury_address,
            order_key=order_key(order_id),
        ),
        required_finality=settings.confirmation_policy.required_finality(amount),
        created_at=now,
        expires_at=stored.starts_at + (assessed.period + 1) * stored.period_seconds,
        account_id=stored.account_id,
        payer_exposure_limit=settings.payer_exposure_limit_myr,
        store_exposure_limit=settings.store_exposure_limit_myr,
    )
    await insert_order(connection, order, event=created_event(order), now=now)


def litres(stored: SignedStandingOrder) -> str:
    """The litres of a period, as a decimal."""
    return format_bill(Units(stored.litres))
