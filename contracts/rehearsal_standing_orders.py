"""The all-milk price and standing orders on an in-process EVM."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contracts import milk_price_feed, standing_orders
from contracts.milk_price_feed import Policy, Price
from contracts.rehearsal import (
    Signature,
    account_address,
    contract_address,
    deploy,
    deploy_billcoin,
    deploy_order_vault_factory,
    sign,
)
from contracts.rehearsal_economy import (
    DELAY_SECONDS,
    LITRE,
    START_SECONDS,
    bytes_of,
    chain_id,
    named,
    set_time,
)
from contracts.signing import Account, LocalAccount
from contracts.standing_orders import PriceMode, StandingOrder
from ledger.units import UINT256_MAX, Units

PAYER: LocalAccount = Account.from_key(b"\xa1" * 32)
MYR = 10**8
WEEK_SECONDS = 7 * 86_400
MAX_PRICE_AGE_SECONDS = 86_400
HELD_UNITS = 1_000 * LITRE
POLICY = Policy(
    min_reports=3,
    breaker_reports=5,
    max_deviation_bps=1_000,
    window_seconds=3_600,
    stale_after_seconds=86_400,
)
REPORTERS = 5


@dataclass(frozen=True)
class Feed:
    """A price feed and its reporters; the current sender owns it."""

    contract: Any
    reporters: tuple[str, ...]

    def report(self, *prices: int) -> None:
        """One report each of the first reporters."""
        for reporter, price in zip(self.reporters, prices, strict=False):
            self.contract.report(price, sender=reporter)

    def publish(self, price: int) -> None:
        """A round in which all agree."""
        self.report(*[price] * len(self.reporters))


def deploy_feed(*, policy: Policy = POLICY) -> Feed:
    """Deploy a feed with five reporters and no price yet."""
    set_time(START_SECONDS)
    reporters = tuple(named(f"reporter {number}") for number in range(REPORTERS))
    code = milk_price_feed.init_code(
        delay_seconds=DELAY_SECONDS,
        reporters=[bytes_of(reporter) for reporter in reporters],
        policy=policy,
    )
    return Feed(contract=deploy(milk_price_feed.artifact(), code), reporters=reporters)


@dataclass(frozen=True)
class Delivery:
    """A payer with BILL and an allowance, a merchant, a feed, and the contract between them."""

    bill: Any
    factory: Any
    feed: Feed
    contract: Any
    merchant: str
    stranger: str

    def order(self, **changes: Any) -> StandingOrder:
        """Two litres a week at a fixed RM 6.00 the litre, a BILL counting for RM 3.00."""
        order = StandingOrder(
            payer=account_address(PAYER),
            merchant=bytes_of(self.merchant),
            into_vaults=False,
            litres=Units(2 * LITRE),
            period_seconds=WEEK_SECONDS,
            price_mode=PriceMode.FIXED,
            fixed_price=Price(6 * MYR),
            max_price=Price(7 * MYR),
            rate=Price(3 * MYR),
            starts_at_seconds=START_SECONDS,
            ends_at_seconds=START_SECONDS + 10 * WEEK_SECONDS,
            nonce=1,
        )
        return replace(order, **changes)

    def sign(self, order: StandingOrder, payer: LocalAccount = PAYER) -> Signature:
        """What the payer's wallet answers when it is asked to sign."""
        message = standing_orders.standing_order_typed_data(
            order, chain_id=chain_id(), contract=contract_address(self.contract)
        )
        return sign(payer, message)

    def collection(self, order: StandingOrder, signature: Signature | None = None) -> Any:
        """An order with its payer's signature, as the contract takes it."""
        return (standing_orders.order_argument(order), signature or self.sign(order))

    def collect(self, *orders: StandingOrder) -> int:
        """Collect as a stranger; return how many were."""
        return self.collect_signed([self.collection(order) for order in orders])

    def collect_signed(self, collections: Sequence[Any]) -> int:
        """As `collect`, with signatures of the caller's choice."""
        collected: int = self.contract.collect(list(collections), sender=self.stranger)
        return collected

    def refusal(self, order: StandingOrder, signature: Signature | None = None) -> str:
        """Why the order would not be collected now; empty if it would."""
        reason: str = self.contract.assess(self.collection(order, signature))[4]
        return reason


def deploy_standing_orders(bill: Any = None) -> Delivery:
    """Deploy everything, publish RM 3.20 a litre, give the payer BILL and let it be collected."""
    set_time(START_SECONDS)
    owned = bill is None
    bill = deploy_billcoin() if owned else bill
    factory = deploy_order_vault_factory()
    feed = deploy_feed()
    feed.publish(320_000_000)
    code = standing_orders.init_code(
        bill=contract_address(bill),
        order_vault_factory=contract_address(factory),
        delay_seconds=DELAY_SECONDS,
        feed=contract_address(feed.contract),
        max_price_age_seconds=MAX_PRICE_AGE_SECONDS,
    )
    contract = deploy(standing_orders.artifact(), code)
    if owned:
        bill.mint(PAYER.address, HELD_UNITS)
    bill.approve(contract.address, UINT256_MAX, sender=PAYER.address)
    return Delivery(
        bill=bill,
        factory=factory,
        feed=feed,
        contract=contract,
        merchant=named("merchant"),
        stranger=named("collector"),
    )
