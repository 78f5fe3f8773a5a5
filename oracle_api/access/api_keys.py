"""The form of an API key: `bck_live_` or `bck_test_` and 256 random bits."""

import hashlib
import secrets
from typing import Final

PREFIX: Final = b"bck_"
KEY_BYTES: Final = 32
MAX_KEY_CHARACTERS: Final = 128
ENDING_CHARACTERS: Final = 4

_KIND_OF_TEST: Final = {True: "test", False: "live"}


def make_api_key(*, is_test: bool) -> str:
    """A new key, to be shown once."""
    return f"bck_{_KIND_OF_TEST[is_test]}_{secrets.token_urlsafe(KEY_BYTES)}"


def api_key_digest(key: bytes) -> bytes:
    """What is kept of a key: its SHA-256.

    Argon2 slows down guessing what a person could think of. Nobody can guess 256 random bits, so
    there is nothing to slow down but every request.
    """
    return hashlib.sha256(key).digest()


def is_of_kind(key: bytes, *, is_test: bool) -> bool:
    """Whether a key says that it is for a deployment like this one."""
    return key.startswith(f"bck_{_KIND_OF_TEST[is_test]}_".encode())
