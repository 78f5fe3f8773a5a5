"""The relayer's key in its file, checked without the library that signs with it."""

import re
from pathlib import Path
from typing import Final

from ledger.errors import RejectedError
from oracle_api.relay.settings import RelaySettings
from oracle_api.secret_file import read_secret_file

VARIABLE: Final = "BILLCOIN_RELAYER_KEY_FILE"

_KEY: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{64})", re.ASCII)
_CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1 (SEC 2, section 2.4.1): a private key is less than that, and not 0."""


def check_relay(settings: RelaySettings) -> None:
    """Read the key at the start, so that a wrong one is told then and not at the first payment.

    Raises:
        RejectedError: `setting_wrong`: node or key is missing, or the key cannot be read.
    """
    relayer_key(settings)


def relayer_key(settings: RelaySettings) -> bytes | None:
    """The key that the settings name, 32 bytes, or None where there is to be no relay.

    Raises:
        RejectedError: `setting_wrong`: node or key is missing, or the key cannot be read.
    """
    url, path = settings.relayer_node_url, settings.relayer_key_file
    if (url is None) is not (path is None):
        raise RejectedError(
            "setting_wrong",
            "BILLCOIN_RELAYER_NODE_URL and BILLCOIN_RELAYER_KEY_FILE go together: set both or none",
        )
    return None if path is None else read_relayer_key(path)


def read_relayer_key(path: Path) -> bytes:
    """The key in the file: 64 hex digits, readable by its owner alone.

    Raises:
        RejectedError: `setting_wrong`; the message never holds what the file holds.
    """
    content = read_secret_file(path, VARIABLE, group_may_read=False)
    match = _KEY.fullmatch(content.decode("ascii", errors="replace").strip())
    if match is None:
        raise _wrong("must hold a private key: 64 hex digits and nothing else")
    key = bytes.fromhex(match.group(1))
    if not 0 < int.from_bytes(key, "big") < _CURVE_ORDER:
        raise _wrong("holds no private key of secp256k1")
    return key


def _wrong(reason: str) -> RejectedError:
    return RejectedError("setting_wrong", f"{VARIABLE}: the file {reason}")
