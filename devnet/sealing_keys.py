"""Keys of a devnet's own for what its oracle encrypts, so that nothing in it is off."""

import base64
import os
import secrets
from pathlib import Path
from typing import Final

from devnet.home import write_private

KEY_BYTES: Final = 32
_FILES: Final = {
    "BILLCOIN_WEBHOOK_KEYS_FILE": ("webhook-keys", ("devnet",)),
    # `lookup` finds a linked wallet again, the other key encrypts its address.
    "BILLCOIN_WALLET_KEYS_FILE": ("wallet-keys", ("devnet", "lookup")),
}
"""Each setting with its file and the keys in it."""


def sealing_variables(folder: Path) -> dict[str, str]:
    """The settings that the environment leaves open; files are made when missing.

    Receivers of webhooks may be on this machine.
    """
    ours = {"BILLCOIN_WEBHOOK_ALLOW_PRIVATE": "true"}
    for variable, (file_name, key_names) in _FILES.items():
        path = folder / file_name
        if not path.exists():
            write_private(path, "".join(map(_new_key, key_names)), is_new=True)
        ours[variable] = str(path)
    return {name: value for name, value in ours.items() if name not in os.environ}


def _new_key(name: str) -> str:
    return f"{name} {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"
