"""The oracle's signing keys: out of a private file or the environment, never anywhere else."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import coincurve

from contracts.signing import Account
from ledger.errors import RejectedError
from ledger.payment_uri import format_address, parse_address
from oracle_api.attestations.key_file import read_key_file
from oracle_api.attestations.signer import InProcessSigner, Signer, address_of
from oracle_api.settings import Settings

MAX_KEYS: Final = 32
_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KnownSigner:
    """A signer that attestations may name; times as RFC 3339, `revoked_at` for a revoked one."""

    address: bytes
    created_at: str | None
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The signer that signs, and every signer that there is or was."""

    signer: Signer = field(repr=False)
    known: tuple[KnownSigner, ...]


def open_key_ring(settings: Settings) -> KeyRing | None:
    """The keys that the settings name, or None when no attestations are offered.

    Another `Signer`, such as a key management service, takes its place here.

    Raises:
        RejectedError: `setting_wrong`; the message never holds a key.
    """
    path, text = settings.attestation_keys_file, settings.attestation_keys
    if path is None and text is None:
        if settings.attestation_verifier_address is not None:
            raise _wrong(
                "BILLCOIN_ATTESTATION_VERIFIER_ADDRESS is set, but neither "
                "BILLCOIN_ATTESTATION_KEYS_FILE nor BILLCOIN_ATTESTATION_KEYS"
            )
        return None
    if settings.attestation_verifier_address is None:
        raise _wrong("attestation keys need BILLCOIN_ATTESTATION_VERIFIER_ADDRESS")
    if path is not None and text is not None:
        raise _wrong(
            "set BILLCOIN_ATTESTATION_KEYS_FILE or BILLCOIN_ATTESTATION_KEYS, but not both"
        )
    if path is not None:
        password = settings.attestation_keys_password
        return _from_file(path, None if password is None else password.get_secret_value())
    return _from_environment("" if text is None else text.get_secret_value())


def read_private_key(text: Any, *, what: str) -> coincurve.PrivateKey:
    """A private key of 32 bytes in hex, with or without 0x.

    Raises:
        RejectedError: `setting_wrong`, without the text.
    """
    digits = str(text).strip()
    # Padding would let a key that lost a digit pass as another one.
    if _PRIVATE_KEY.fullmatch(digits) is None:
        raise _wrong(f"{what} is no private key of 32 bytes in hex")
    try:
        return coincurve.PrivateKey(bytes.fromhex(digits.removeprefix("0x")))
    except ValueError:
        raise _wrong(f"{what} is outside the curve's order") from None


def _from_environment(text: str) -> KeyRing:
    parts = [part for part in text.split(",") if part.strip()]
    keys = [
        read_private_key(part, what=f"key {number} of BILLCOIN_ATTESTATION_KEYS")
        for number, part in enumerate(parts, start=1)
    ]
    known = tuple(KnownSigner(address_of(key.public_key), None, None) for key in keys)
    return _ring(keys[:1], known, "BILLCOIN_ATTESTATION_KEYS")


def _from_file(path: Path, password: str | None) -> KeyRing:
    entries = read_key_file(path)
    signing: list[coincurve.PrivateKey] = []
    known = []
    for number, entry in enumerate(entries, start=1):
        what = f"key {number} of {path}"
        try:
            address = parse_address(str(entry["address"]), param="address")
        except (KeyError, RejectedError):
            raise _wrong(f"{what} has no address") from None
        revoked_at = entry.get("revokedAt")
        known.append(KnownSigner(address, entry.get("createdAt"), revoked_at))
        # Only the first is unlocked: that takes a second, and the others sign nothing yet.
        if revoked_at is None and not signing:
            key = _unlock(entry, password, what=what)
            if address_of(key.public_key) != address:
                raise _wrong(f"{what} is not that of {format_address(address)}")
            signing.append(key)
    return _ring(signing, tuple(known), str(path))


def _unlock(entry: dict[str, Any], password: str | None, *, what: str) -> coincurve.PrivateKey:
    if "keystore" not in entry:
        return read_private_key(entry.get("privateKey"), what=what)
    if password is None:
        raise _wrong(f"{what} is encrypted: set BILLCOIN_ATTESTATION_KEYS_PASSWORD")
    try:
        secret = Account.decrypt(json.dumps(entry["keystore"]), password)
    except (ValueError, KeyError, TypeError):
        raise _wrong(f"{what} does not open with BILLCOIN_ATTESTATION_KEYS_PASSWORD") from None
    return read_private_key(bytes(secret).hex(), what=what)


def _ring(
    signing: list[coincurve.PrivateKey], known: tuple[KnownSigner, ...], where: str
) -> KeyRing:
    if not signing:
        raise _wrong(f"{where} holds no key that may sign")
    if len({one.address for one in known}) < len(known) or len(known) > MAX_KEYS:
        raise _wrong(f"{where} holds a key twice, or more than {MAX_KEYS}")
    return KeyRing(InProcessSigner(signing[0]), known)


def _wrong(message: str) -> RejectedError:
    return RejectedError("setting_wrong", message)
