"""The keys that sign access tokens: a JSON Web Key Set in a file, or one made up at the start."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from ledger.errors import RejectedError
from oracle_api.secret_file import read_secret_file, write_secret_file

ALGORITHM: Final = "ES256"
"""ECDSA over P-256: every JWT library, WebCrypto and every key service can check and make it."""

_CURVE: Final = "P-256"
MAX_KEYS: Final = 16
KEY_ID_BYTES: Final = 8


class TokenKeys:
    """Private keys, at least one: the first signs, all verify, so that keys can be rotated."""

    def __init__(self, keys: list[ECKey]) -> None:
        self.signing = keys[0]
        self.by_id: Mapping[str, ECKey] = {str(key.kid): key for key in keys}
        """All of them, by the `kid` of a token's header."""

    def public_set(self) -> dict[str, Any]:
        """The public halves (RFC 7517), for whoever checks our tokens."""
        public = [
            key.as_dict(private=False, kid=kid, alg=ALGORITHM, use="sig")
            for kid, key in self.by_id.items()
        ]
        return {"keys": public}


def make_key() -> ECKey:
    """A new private key with an id of its own."""
    kid = secrets.token_hex(KEY_ID_BYTES)
    return ECKey.generate_key(_CURVE, {"kid": kid, "alg": ALGORITHM, "use": "sig"}, private=True)


def load_token_keys(path: Path | None) -> TokenKeys:
    """The keys of the file, or one that dies with this process.

    Raises:
        RejectedError: `setting_wrong`.
    """
    if path is None:
        return TokenKeys([make_key()])
    return TokenKeys(_parse(read_secret_file(path, "BILLCOIN_TOKEN_KEYS_FILE")))


def add_key(path: Path) -> str:
    """Put a new key behind those in the file, or begin the file; returns the key's id.

    Behind, so that every replica can verify with it before one of them signs with it.

    Raises:
        RejectedError: `setting_wrong` or `file_unwritable`.
    """
    older = _read(path) if path.exists() else []
    if len(older) >= MAX_KEYS:
        raise RejectedError("setting_wrong", f"{path} holds {MAX_KEYS} keys; drop old ones")
    key = make_key()
    _write(path, [*older, key])
    return str(key.kid)


def first_key(path: Path, kid: str) -> None:
    """Put a key of the file first, so that it signs.

    Raises:
        RejectedError: `setting_wrong` or `file_unwritable`.
    """
    chosen, others = _parted(path, kid)
    _write(path, [chosen, *others])


def drop_key(path: Path, kid: str) -> None:
    """Take a key out of the file.

    Raises:
        RejectedError: `setting_wrong`, also for the only key, or `file_unwritable`.
    """
    _, others = _parted(path, kid)
    if not others:
        raise RejectedError("setting_wrong", "the only key cannot be dropped")
    _write(path, others)


def _parted(path: Path, kid: str) -> tuple[ECKey, list[ECKey]]:
    keys = _read(path)
    chosen = [key for key in keys if key.kid == kid]
    if not chosen:
        raise RejectedError("setting_wrong", f"{path} has no key {kid}")
    return chosen[0], [key for key in keys if key.kid != kid]


def _read(path: Path) -> list[ECKey]:
    return _parse(read_secret_file(path, str(path)))


def _write(path: Path, keys: list[ECKey]) -> None:
    document = {"keys": [key.as_dict(private=True) for key in keys]}
    write_secret_file(path, json.dumps(document, indent=2).encode() + b"\n")


def _parse(content: bytes) -> list[ECKey]:
    try:
        given = json.loads(content)["keys"]
        keys = [ECKey.import_key(one) for one in given]
    except (ValueError, TypeError, KeyError, JoseError):
        # Never with what it says: that is a key.
        raise _wrong("BILLCOIN_TOKEN_KEYS_FILE", "holds no JSON Web Key Set") from None
    ids = [key.kid for key in keys]
    if not 0 < len(keys) <= MAX_KEYS:
        raise _wrong("BILLCOIN_TOKEN_KEYS_FILE", f"must hold 1 to {MAX_KEYS} keys")
    if not all(key.is_private and key.curve_name == _CURVE and key.kid for key in keys):
        raise _wrong("BILLCOIN_TOKEN_KEYS_FILE", f"must hold private {_CURVE} keys with a kid")
    if len(set(ids)) < len(ids):
        raise _wrong("BILLCOIN_TOKEN_KEYS_FILE", "holds a kid twice")
    return keys


def _wrong(variable: str, complaint: str) -> RejectedError:
    return RejectedError("setting_wrong", f"{variable} {complaint}")
