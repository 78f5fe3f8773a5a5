"""Our refusals in the words of the x402 specification (section 9), where it has one."""

from collections.abc import Mapping
from typing import Final

from ledger.errors import RejectedError

_SIGNATURE: Final = "invalid_exact_evm_payload_signature"
_VALID_BEFORE: Final = "invalid_exact_evm_payload_authorization_valid_before"
_VALID_AFTER: Final = "invalid_exact_evm_payload_authorization_valid_after"
NONCE_USED: Final = "invalid_exact_evm_nonce_already_used"
"""The specification has no word for it; this is the one of its own packages."""

REASON_OF: Final[Mapping[str, str]] = {
    "signature_invalid": _SIGNATURE,
    "signature_malformed": _SIGNATURE,
    "authorization_expired": _VALID_BEFORE,
    "authorization_outlives_order": _VALID_BEFORE,
    "authorization_not_yet_valid": _VALID_AFTER,
    "authorization_used": NONCE_USED,
    "authorization_nonce_reused": NONCE_USED,
    "balance_insufficient": "insufficient_funds",
    "transfer_would_fail": "invalid_transaction_state",
    "value_mismatch": "invalid_payment_requirements",
    "order_not_found": "invalid_payment_requirements",
    "order_not_payable": "invalid_payment_requirements",
    "order_being_paid": "invalid_payment_requirements",
    "address_invalid": "invalid_payload",
    "address_checksum_wrong": "invalid_payload",
    "value_invalid": "invalid_payload",
    "time_invalid": "invalid_payload",
    "nonce_invalid": "invalid_payload",
}


def reason_of(error: RejectedError, *, otherwise: str) -> str:
    """The specification's reason: our code's, or the code itself, which was one already."""
    if error.code.startswith(("invalid_", "unsupported_")):
        return error.code
    return REASON_OF.get(error.code, otherwise)
