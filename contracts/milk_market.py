"""The Milk Market Utility: its artifact, its terms, and the states of a purchase."""

from dataclasses import dataclass
from enum import IntEnum

from contracts import abi
from contracts.artifact import Artifact, load_artifact

EVENTS = (
    *("OfferListed", "OfferWithdrawn", "Purchased", "DeliveryReported", "Disputed"),
    *("Redeemed", "Refunded", "SupplierApproved", "SupplierRevoked"),
    *("PayoutPaid", "PayoutOwed", "PayoutRateSet"),
)
"""What an indexer follows; `contracts.abi.event_topic(artifact(), name)` is each one's topic."""


class SupplierKind(IntEnum):
    """What a supplier is approved for."""

    FEED = 1
    VETERINARY = 2


class PurchaseState(IntEnum):
    """Where a purchase stands; the contract answers 0 for one that does not exist."""

    ORDERED = 1
    DELIVERED = 2
    DISPUTED = 3
    CLOSED = 4


@dataclass(frozen=True)
class Terms:
    """What the Milk Market Utility is deployed with.

    Attributes:
        bill: BILL's contract, 20 bytes.
        dairy_register: The minting module, which knows the approved dairies, 20 bytes.
        settlement_token: The ERC-20 that suppliers are settled with in, for good, 20 bytes.
        regulator: The first regulator, 20 bytes.
        delay_seconds: How long dangerous changes are announced before they can be made.
        settlement_per_litre: Base units of the settlement token per litre; 0: off the chain.
        review_seconds: How long a dairy may object to a reported delivery.
        judgement_seconds: How long the regulator may take to judge a dispute.
    """

    bill: bytes
    dairy_register: bytes
    settlement_token: bytes
    regulator: bytes
    delay_seconds: int
    settlement_per_litre: int
    review_seconds: int
    judgement_seconds: int


def artifact() -> Artifact:
    """The compiled market; its deployer becomes owner."""
    return load_artifact("milk_market")


def init_code(terms: Terms) -> bytes:
    """The data of the transaction that deploys the market."""
    return abi.init_code(
        artifact(),
        terms.bill,
        terms.dairy_register,
        terms.settlement_token,
        terms.regulator,
        terms.delay_seconds,
        terms.settlement_per_litre,
        terms.review_seconds,
        terms.judgement_seconds,
    )
