"""The message of Sign-In with Ethereum (EIP-4361), which we write and a wallet signs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eth_keys.exceptions import BadSignature

from contracts.signing import Account, encode_defunct
from ledger.payment_uri import format_address
from oracle_api.times import rfc3339

SIGNATURE_BYTES: Final = 65


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """What is signed; `domain` is the host that the wallet's owner sees in the address bar."""

    domain: str
    is_secure: bool
    address: bytes
    account_name: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expires_at: datetime

    def text(self) -> str:
        """The message, to the letter as EIP-4361 wants it."""
        scheme = "https" if self.is_secure else "http"
        return (
            f"{self.domain} wants you to sign in with your Ethereum account:\n"
            f"{format_address(self.address)}\n\n"
            f"Link this wallet to the BillCoin account {self.account_name}. Nothing is paid.\n\n"
            f"URI: {scheme}://{self.domain}\n"
            "Version: 1\n"
            f"Chain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\n"
            f"Issued At: {rfc3339(self.issued_at)}\n"
            f"Expiration Time: {rfc3339(self.expires_at)}"
        )


def signer_of(text: str, signature: bytes) -> bytes | None:
    """The address whose key signed exactly this text (EIP-191), or None if none did."""
    if len(signature) != SIGNATURE_BYTES:
        return None
    try:
        signer = Account.recover_message(encode_defunct(text=text), signature=signature)
    except (BadSignature, ValueError):
        return None
    return bytes.fromhex(signer[2:])
