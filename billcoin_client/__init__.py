"""A client of the BillCoin Pay oracle: orders, verdicts, attestations and webhooks."""

from billcoin_client.async_client import AsyncBillcoinClient
from billcoin_client.attestation import verify_attestation
from billcoin_client.client import BillcoinClient
from billcoin_client.errors import (
    AnswerMalformedError,
    AttestationInvalidError,
    AuthenticationError,
    BillcoinError,
    CapabilityOffError,
    ConflictError,
    NotFoundError,
    OracleUnreachableError,
    PermissionDeniedError,
    ProblemError,
    RequestInvalidError,
    ServerError,
    ThrottledError,
    UnsureError,
    WebhookInvalidError,
)
from billcoin_client.models import (
    Attestation,
    AttestationSigner,
    AttestationSigners,
    Domain,
    Finality,
    Item,
    Order,
    OrderStatus,
    Payment,
    SignedAttestation,
    Validation,
    Verdict,
)
from billcoin_client.version import VERSION
from billcoin_client.webhook import WebhookEvent, verify_webhook

__version__ = VERSION

__all__ = [
    "AnswerMalformedError",
    "AsyncBillcoinClient",
    "Attestation",
    "AttestationInvalidError",
    "AttestationSigner",
    "AttestationSigners",
    "AuthenticationError",
    "BillcoinClient",
    "BillcoinError",
    "CapabilityOffError",
    "ConflictError",
    "Domain",
    "Finality",
    "Item",
    "NotFoundError",
    "OracleUnreachableError",
    "Order",
    "OrderStatus",
    "Payment",
    "PermissionDeniedError",
    "ProblemError",
    "RequestInvalidError",
    "ServerError",
    "SignedAttestation",
    "ThrottledError",
    "UnsureError",
    "Validation",
    "Verdict",
    "WebhookEvent",
    "WebhookInvalidError",
    "__version__",
    "verify_attestation",
    "verify_webhook",
]
