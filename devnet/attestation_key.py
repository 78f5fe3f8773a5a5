"""The key with which a devnet's oracle signs attestations: made once, in the run's own folder."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.signing import Account
from devnet.home import write_private
from ledger.json_hex import to_hex

KEYS_NAME = "attestation-keys.json"
KEYS_VARIABLE = "BILLCOIN_ATTESTATION_KEYS_FILE"
_FORMAT = "billcoin-attestation-keys/1"


def attestation_signer(folder: Path) -> bytes:
    """The signer's address, 20 bytes; its key file is written when there is none."""
    path = folder / KEYS_NAME
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return bytes.fromhex(stored["keys"][0]["address"].removeprefix("0x"))
    account = Account.create()
    key = {
        "address": account.address,
        "createdAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "privateKey": to_hex(bytes(account.key)),
    }
    # The oracle refuses a file that others can read.
    write_private(path, json.dumps({"format": _FORMAT, "keys": [key]}), is_new=True)
    return bytes.fromhex(account.address.removeprefix("0x"))
