"""What lets a devnet send webhooks: a key of its own, and receivers on this machine."""

import base64
import os
import secrets
from pathlib import Path

from devnet.home import write_private

KEYS_NAME = "webhook-keys"
KEY_BYTES = 32


def webhook_variables(folder: Path) -> dict[str, str]:
    """The settings for webhooks that the environment leaves open; the key is made when missing."""
    path = folder / KEYS_NAME
    if not path.exists():
        line = f"devnet {base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"
        write_private(path, line, is_new=True)
    ours = {
        "BILLCOIN_WEBHOOK_KEYS_FILE": str(path),
        "BILLCOIN_WEBHOOK_ALLOW_PRIVATE": "true",
    }
    return {name: value for name, value in ours.items() if name not in os.environ}
