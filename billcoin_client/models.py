"""What the oracle answers, typed: exact decimals, times with a zone, names as in its JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class OrderStatus(StrEnum):
    """Where an order stands; a later version of the oracle may know more."""

    AWAITING_PAYMENT = "awaiting_payment"
    DETECTED = "detected"
    PAID = "paid"
    SETTLED = "settled"
    UNDERPAID = "underpaid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    PAID_LATE = "paid_late"
    REVERSED = "reversed"


class Finality(StrEnum):
    """How deep a block lies."""

    INCLUDED = "included"
    SAFE = "safe"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class Item:
    """So many of one product; `unit_price_myr` in ringgit."""

    sku: str
    name: str
    quantity: int
    unit_price_myr: Decimal


@dataclass(frozen=True, slots=True)
class Payment:
    """A transfer that pays an order; `amount` in BILL."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    sender: str
    amount: Decimal
    confirmed_at: datetime


@dataclass(frozen=True, slots=True)
class ConfirmationPolicy:
    """How deep a payment must lie before the order counts as paid."""

    required_finality: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order; amounts in BILL, but `amount_myr` in ringgit and `amount_due_units` in base units.

    `payments` is None in lists, which leave them out. `etag` is for `get_order(known=...)`.
    """

    id: str
    object: str
    status: str
    store_id: str
    reference: str | None
    items: tuple[Item, ...]
    amount_myr: Decimal
    rate_myr_per_bill: Decimal
    rate_source: str
    rate_updated_at: datetime | None
    rate_age_seconds: int | None
    amount_due: Decimal
    amount_due_units: int
    amount_received: Decimal
    amount_owed_back: Decimal
    amount_refunded: Decimal
    chain_id: int
    token: str
    order_address: str
    payment_uri: str
    confirmation_policy: ConfirmationPolicy
    created_at: datetime
    expires_at: datetime
    cancelled_at: datetime | None
    paid_at: datetime | None
    settled_at: datetime | None
    version: int
    payments: tuple[Payment, ...] | None = None
    etag: str | None = field(default=None, compare=False)

    @property
    def is_paid(self) -> bool:
        """Whether the goods may be handed over."""
        return self.status in {OrderStatus.PAID, OrderStatus.SETTLED}


@dataclass(frozen=True, slots=True)
class OrderPage:
    """A page of orders; `next` is the cursor of the one after it."""

    data: tuple[Order, ...]
    has_more: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class AsOf:
    """The block that a verdict rests on."""

    block_number: int
    block_hash: str
    timestamp: datetime
    blocks_behind: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer in full; `code` is explained in docs/partner.md."""

    order_id: str | None
    status: str | None
    code: str
    finality: str | None
    confirmations: int
    block_number: int | None
    block_hash: str | None
    as_of: AsOf
    nodes_agreeing: int | None
    nodes_asked: int | None
    verification: str | None
    retryable: bool


@dataclass(frozen=True, slots=True)
class Domain:
    """An EIP-712 domain."""

    name: str
    version: str
    chain_id: int
    verifying_contract: str


@dataclass(frozen=True, slots=True)
class SignedAttestation:
    """A signed verdict as it came; believe nothing of it before `verify_attestation`."""

    domain: Domain
    primary_type: str
    message: Mapping[str, Any]
    digest: str
    signature: str
    signer: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Attestation:
    """What `verify_attestation` found to be signed; amounts in base units, times Unix seconds."""

    order_key: bytes
    tx_hash: bytes
    block_number: int
    block_hash: bytes
    token: str
    treasury: str
    amount_due: int
    amount_received: int
    finality: Finality
    consumer: str
    issued_at: int
    expires_at: int
    signer: str


@dataclass(frozen=True, slots=True)
class AttestationSigner:
    """One who signs: `signing`, `accepted` or `revoked`."""

    address: str
    status: str
    created_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttestationSigners:
    """Whose attestations to trust, under which domain; None where the oracle signs nothing."""

    domain: Domain | None
    primary_type: str
    types: Mapping[str, Any]
    signers: tuple[AttestationSigner, ...]
    lifetime_seconds: int


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether a payment is valid: also what this object is worth in an `if`."""

    valid: bool
    confirmed_at: datetime | None
    error: str | None
    verdict: Verdict
    attestation: SignedAttestation | None = None

    def __bool__(self) -> bool:
        return self.valid
