"""Standing orders: the artifact, what a payer signs, and what a period comes to."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any

from eth_abi.abi import encode

from contracts import abi
from contracts.artifact import Artifact, load_artifact
from contracts.milk_price_feed import PRICE_DECIMALS, Price
from contracts.typed_data import Fields, TypedData, hex_of, typed_data
from ledger.keccak import keccak256
from ledger.payment_policy import bill_due
from ledger.units import BILL_DECIMALS, MYR_DECIMALS, Sen, Units

DOMAIN_NAME = "BillCoin Standing Orders"
DOMAIN_VERSION = "1"
MAX_COLLECTIONS = 32
"""How many standing orders one `collect` takes."""

EVENTS = (
    *("Collected", "CollectionSkipped", "CollectionRefused", "StandingOrderCancelled"),
    "FeedSet",
)
"""What an indexer follows; `contracts.abi.event_topic(artifact(), name)` is each one's topic."""

REFUSALS = (
    *("invalid order", "invalid signature", "cancelled", "nonce is used", "not started", "ended"),
    *("not due", "stale price", "price above maximum", "nothing to collect"),
    *("insufficient balance", "insufficient allowance"),
)
"""Why a standing order is not collected, word for word, in the order in which it is checked."""

_FIELDS: Fields = (
    ("payer", "address"),
    ("merchant", "address"),
    ("intoVaults", "bool"),
    ("litres", "uint256"),
    ("periodSeconds", "uint256"),
    ("priceMode", "uint8"),
    ("fixedPrice", "uint256"),
    ("maxPrice", "uint256"),
    ("rate", "uint256"),
    ("startsAt", "uint256"),
    ("endsAt", "uint256"),
    ("nonce", "uint256"),
)
_CANCEL_FIELDS: Fields = (("payer", "address"), ("nonce", "uint256"))
_ORDER_TYPES = (
    *("address", "address", "bool", "uint256", "uint256", "uint8", "uint256", "uint256"),
    *("uint256", "uint256", "uint256", "uint256"),
)
_ID_BITS_DROPPED = 128


class PriceMode(IntEnum):
    """Which price a standing order is collected at."""

    FIXED = 0
    ALL_MILK = 1


@dataclass(frozen=True)
class StandingOrder:
    """What a payer signs once and is collected period by period.

    Attributes:
        payer: Whose BILL is collected, on its allowance, 20 bytes.
        merchant: The treasury that receives it, 20 bytes.
        into_vaults: Whether each period is paid to an order address of the merchant's instead, that
            of the order called `order_id(...)`, so that it is matched like any other order.
        litres: Of the product, each period, in base units: 18 decimals.
        period_seconds: A period begins every so many seconds from the start on.
        price_mode: At the fixed price, or at the all-milk price of the moment.
        fixed_price: Ringgit per litre; ignored at the all-milk price.
        max_price: Ringgit per litre above which nothing is collected.
        rate: Ringgit per BILL, locked: what one BILL counts for, whatever the market says later.
        starts_at_seconds: Unix time; period 0 begins.
        ends_at_seconds: Unix time; nothing is collected from then on.
        nonce: One standing order each; cancelling names it.
    """

    payer: bytes
    merchant: bytes
    into_vaults: bool
    litres: Units
    period_seconds: int
    price_mode: PriceMode
    fixed_price: Price
    max_price: Price
    rate: Price
    starts_at_seconds: int
    ends_at_seconds: int
    nonce: int


def artifact() -> Artifact:
    """The compiled contract; its deployer becomes owner."""
    return load_artifact("standing_orders")


def init_code(
    *,
    bill: bytes,
    order_vault_factory: bytes,
    delay_seconds: int,
    feed: bytes,
    max_price_age_seconds: int,
) -> bytes:
    """The data of the transaction that deploys the contract.

    Args:
        bill: BILL's contract, 20 bytes.
        order_vault_factory: Where the vaults of collected orders are, 20 bytes.
        delay_seconds: How long a change of feed is announced before it can be made.
        feed: The all-milk price feed, 20 bytes.
        max_price_age_seconds: How old its price may be when an order is collected.
    """
    return abi.init_code(
        artifact(), bill, order_vault_factory, delay_seconds, feed, max_price_age_seconds
    )


def domain(*, chain_id: int, contract: bytes) -> dict[str, Any]:
    """The EIP-712 domain that every standing order is bound to.

    Args:
        chain_id: The chain's EIP-155 id.
        contract: The standing orders' contract, 20 bytes.
    """
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": chain_id,
        "verifyingContract": hex_of(contract),
    }


def standing_order_typed_data(order: StandingOrder, *, chain_id: int, contract: bytes) -> TypedData:
    """What a payer signs to have a standing order collected."""
    return typed_data(
        domain=domain(chain_id=chain_id, contract=contract),
        primary_type="StandingOrder",
        fields=_FIELDS,
        message={
            "payer": hex_of(order.payer),
            "merchant": hex_of(order.merchant),
            "intoVaults": order.into_vaults,
            "litres": str(order.litres),
            "periodSeconds": str(order.period_seconds),
            "priceMode": str(int(order.price_mode)),
            "fixedPrice": str(order.fixed_price),
            "maxPrice": str(order.max_price),
            "rate": str(order.rate),
            "startsAt": str(order.starts_at_seconds),
            "endsAt": str(order.ends_at_seconds),
            "nonce": str(order.nonce),
        },
    )


def cancel_typed_data(*, payer: bytes, nonce: int, chain_id: int, contract: bytes) -> TypedData:
    """What a payer without gas signs to cancel; with gas, `cancel(nonce)` does it."""
    return typed_data(
        domain=domain(chain_id=chain_id, contract=contract),
        primary_type="CancelStandingOrder",
        fields=_CANCEL_FIELDS,
        message={"payer": hex_of(payer), "nonce": str(nonce)},
    )


def order_argument(order: StandingOrder) -> tuple[str | int, ...]:
    """The order as the contract takes it: `collect` takes a list of (order, (v, r, s))."""
    return (hex_of(order.payer), hex_of(order.merchant), *_words(order))


def order_hash(order: StandingOrder) -> bytes:
    """What events call the standing order: its EIP-712 struct hash, 32 bytes."""
    declaration = ",".join(f"{type_} {name}" for name, type_ in _FIELDS)
    type_hash = keccak256(f"StandingOrder({declaration})".encode())
    return keccak256(
        type_hash + encode(_ORDER_TYPES, (order.payer, order.merchant, *_words(order)))
    )


def order_id(order: StandingOrder, *, period: int) -> str:
    """The id of the order that a period is, when it is collected into a vault.

    Its order address is where the contract sends the BILL: whoever collects has no choice in it.
    """
    return f"ord_so_{int.from_bytes(order_hash(order)) >> _ID_BITS_DROPPED}_{period}"


def amount_due(order: StandingOrder, *, price: Price) -> Sen:
    """What a period costs at a price per litre, in whole sen, rounded down."""
    return Sen(order.litres * price // 10 ** (BILL_DECIMALS + PRICE_DECIMALS - MYR_DECIMALS))


def units_due(order: StandingOrder, *, price: Price) -> Units:
    """What is collected for a period: the BILL due of any order over that amount at that rate."""
    rate = Decimal(order.rate).scaleb(-PRICE_DECIMALS)
    return bill_due(amount_due(order, price=price), rate_myr_per_bill=rate)


def most_units_a_period(order: StandingOrder) -> Units:
    """The most that can ever leave the payer in one period: what a wallet shows before it signs."""
    price = order.max_price
    if order.price_mode is PriceMode.FIXED:
        price = Price(min(order.fixed_price, price))
    return units_due(order, price=price)


def _words(order: StandingOrder) -> tuple[int, ...]:
    return (
        order.into_vaults,
        order.litres,
        order.period_seconds,
        int(order.price_mode),
        order.fixed_price,
        order.max_price,
        order.rate,
        order.starts_at_seconds,
        order.ends_at_seconds,
        order.nonce,
    )
