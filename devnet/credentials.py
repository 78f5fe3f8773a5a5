"""Which API key to show to which oracle."""

import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from devnet.accounts import API_KEY_VARIABLE
from devnet.manifest import MANIFEST_NAME
from ledger.errors import RejectedError

HINT = (
    f"give --api-key KEY, set {API_KEY_VARIABLE}, or set BILLCOIN_HOME to the folder that a "
    "running demo printed"
)


def oracle_url_of(home: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The base URL of the oracle that the state folder or the environment names.

    Raises:
        RejectedError: `not_configured`.
    """
    known = _stored(home) | {name: value for name, value in environment.items() if value}
    port = known.get("BILLCOIN_ORACLE_PORT")
    if not port:
        raise RejectedError(
            "not_configured",
            "where is the oracle? Give --oracle URL, or set BILLCOIN_HOME to the folder that a "
            "demo printed",
        )
    return f"http://{known.get('BILLCOIN_ORACLE_HOST', '127.0.0.1')}:{port}"


def api_key_for(oracle_url: str, given: str | None, home: Path) -> str | None:
    """The key that was given, else the one of the demo in `home`, which is shown to no other.

    Raises:
        RejectedError: `oracle_insecure`, when the key would cross a network in the clear.
    """
    if given:
        _require_private(oracle_url)
        return given
    stored = _stored(home)
    if stored.get("BILLCOIN_ORACLE_PORT") and _same(oracle_url, oracle_url_of(home, {})):
        return stored.get(API_KEY_VARIABLE)
    return None


def oracle_and_key(
    oracle_url: str | None, api_key: str | None, home: Path
) -> tuple[str, str | None]:
    """The oracle that was given, else the one of the demo in `home`, and the key to show to it.

    Raises:
        RejectedError: `not_configured` or `oracle_insecure`.
    """
    url = oracle_url or oracle_url_of(home)
    return url, api_key_for(url, api_key, home)


def _stored(home: Path) -> dict[str, str]:
    path = home / MANIFEST_NAME
    stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return stored


def _same(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def _require_private(oracle_url: str) -> None:
    parts = urlsplit(oracle_url)
    if parts.scheme == "https" or _is_local(parts.hostname or ""):
        return
    raise RejectedError(
        "oracle_insecure", f"an API key is sent over https or on this machine, not to {oracle_url}"
    )


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
