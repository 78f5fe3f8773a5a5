"""A signed ERC-3009 authorisation: read strictly, checked without asking anybody."""

import re
from dataclasses import dataclass

from contracts import billcoin
from contracts.abi import call_data
from contracts.billcoin import Authorization, authorization_arguments
from contracts.signing import Account, encode_typed_data
from ledger.errors import RejectedError
from ledger.payment_uri import parse_address
from ledger.units import UINT256_MAX, Units

MAX_SECONDS = 2**53
"""Times beyond this no client can mean; most cannot even write them exactly."""

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_UINT = re.compile(r"0|[1-9][0-9]{0,77}", re.ASCII)
_NONCE = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}", re.ASCII)
_V_OFFSET = 27


@dataclass(frozen=True, slots=True)
class SignedAuthorization:
    """What a holder signed, and the signature: r, s, v in 65 bytes."""

    authorization: Authorization
    signature: bytes

    def call_data(self) -> bytes:
        """The data of the transaction that makes the transfer."""
        arguments = authorization_arguments(
            self.authorization,
            v=self.signature[64],
            r=self.signature[:32],
            s=self.signature[32:64],
        )
        return call_data(billcoin.artifact(), "transferWithAuthorization", *arguments)

    def require_signature(self, *, chain_id: int, token: bytes) -> None:
        """Make sure that the holder signed just this, for this chain and token.

        Raises:
            RejectedError: `signature_invalid`.
        """
        message = billcoin.transfer_with_authorization_typed_data(
            self.authorization, chain_id=chain_id, token=token
        )
        # The contract refuses a high s (EIP-2); refused here, it costs no gas.
        if int.from_bytes(self.signature[32:64]) > _HALF_ORDER:
            raise _signature_invalid()
        try:
            signer = Account.recover_message(
                encode_typed_data(full_message=message), signature=self.signature
            )
        except Exception:  # noqa: BLE001 - the libraries below have no common word for it
            raise _signature_invalid() from None
        if bytes.fromhex(signer[2:]) != self.authorization.owner:
            raise _signature_invalid()


def read_signed(
    *,
    owner: str,
    to: bytes,
    value: str,
    valid_after: str,
    valid_before: str,
    nonce: str,
    signature: str,
) -> SignedAuthorization:
    """Read the fields as clients write them.

    Raises:
        RejectedError: `address_invalid`, `address_checksum_wrong`, `value_invalid`,
            `time_invalid`, `nonce_invalid` or `signature_malformed`; `param` names the field.
    """
    if _NONCE.fullmatch(nonce) is None:
        raise RejectedError("nonce_invalid", "nonce must be 0x and 64 hex digits", param="nonce")
    return SignedAuthorization(
        Authorization(
            owner=parse_address(owner, param="from"),
            to=to,
            units=Units(_read_uint(value, code="value_invalid", param="value", most=UINT256_MAX)),
            valid_after_seconds=_read_seconds(valid_after, param="validAfter"),
            valid_before_seconds=_read_seconds(valid_before, param="validBefore"),
            nonce=bytes.fromhex(nonce[2:]),
        ),
        _read_signature(signature),
    )


def _read_seconds(text: str, *, param: str) -> int:
    return _read_uint(text, code="time_invalid", param=param, most=MAX_SECONDS)


def _read_uint(text: str, *, code: str, param: str, most: int) -> int:
    if _UINT.fullmatch(text) is None or int(text) > most:
        raise RejectedError(code, f"{param} must be a whole number in a string", param=param)
    return int(text)


def _read_signature(text: str) -> bytes:
    if _SIGNATURE.fullmatch(text) is None:
        raise RejectedError(
            "signature_malformed",
            "signature must be 0x and 130 hex digits: r, s and v of an externally owned account",
            param="signature",
        )
    signature = bytes.fromhex(text[2:])
    # Some wallets write the bare recovery id, the contract wants 27 or 28.
    v = signature[64]
    return signature[:64] + bytes((v + _V_OFFSET if v < 2 else v,))  # noqa: PLR2004 - 0 or 1


def _signature_invalid() -> RejectedError:
    return RejectedError(
        "signature_invalid",
        "the signature is not that of `from` over this transfer to the order's address, "
        "on this chain and for this token",
        param="signature",
    )
