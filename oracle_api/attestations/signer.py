"""Who signs: the slot for a key management service, and the signer in this process."""

from typing import Protocol

import coincurve

from ledger.keccak import keccak256

SIGNATURE_BYTES = 65
_V_OFFSET = 27
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class SignerFaultError(Exception):
    """A signer answered something else than its own signature."""


class Signer(Protocol):
    """Signs digests with one secp256k1 key, wherever that key lies.

    To use a key management service, write a class with these two members and let
    `oracle_api.attestations.keys.open_key_ring` make it; what it answers is checked each time.
    """

    @property
    def address(self) -> bytes:
        """The key's address, 20 bytes."""

    async def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes as they are: r, s in the lower half (EIP-2), and v as 27 or 28."""


class InProcessSigner:
    """A signer whose key lies in this process's memory."""

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self._key = key
        self._address = address_of(key.public_key)

    @property
    def address(self) -> bytes:
        """The key's address, 20 bytes."""
        return self._address

    async def sign(self, digest: bytes) -> bytes:
        """Sign at once; the same digest always gets the same signature (RFC 6979)."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + _V_OFFSET])


def address_of(key: coincurve.PublicKey) -> bytes:
    """The 20-byte address of a public key."""
    return keccak256(key.format(compressed=False)[1:])[-20:]


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """The address that signed, 20 bytes; None when this is no signature of the one allowed form."""
    if len(signature) != SIGNATURE_BYTES or signature[64] - _V_OFFSET not in {0, 1}:
        return None
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        return None
    raw = signature[:64] + bytes([signature[64] - _V_OFFSET])
    try:
        key = coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except ValueError:
        return None
    return address_of(key)


async def sign_checked(signer: Signer, digest: bytes) -> bytes:
    """Sign, and make sure that it is what the verifier contract will accept.

    Raises:
        SignerFaultError: it is not.
    """
    signature = await signer.sign(digest)
    if recover(digest, signature) != signer.address:
        raise SignerFaultError("the signer answered something else than its own signature")
    return signature
