"""The signed transactions that a wallet has sent: a chain that reorganises may lose them."""

import re
from pathlib import Path

from devnet.home import make_private, write_private
from devnet.node import Node, Receipt
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.keccak import keccak256

_HASH = re.compile(r"0x[0-9a-f]{64}")


def keep_sent(home: Path, raw: bytes) -> None:
    """Keep a signed transaction; it holds no key, and can do only what it was signed for."""
    path = _path(home, to_hex(keccak256(raw)))
    make_private(home)
    make_private(path.parent)
    write_private(path, to_hex(raw))


async def resend_sent(node: Node, home: Path, tx_hash: str) -> Receipt:
    """Send a kept transaction again and wait for its block.

    Raises:
        RejectedError: `transaction_unknown`, or `node_refused`, also where the chain has it.
    """
    path = _path(home, tx_hash.lower())
    if not path.exists():
        raise RejectedError(
            "transaction_unknown", f"this wallet has not sent {tx_hash}", param="txHash"
        )
    raw = bytes.fromhex(path.read_text(encoding="ascii").removeprefix("0x"))
    return await node.receipt(await node.send_raw(raw))


def _path(home: Path, tx_hash: str) -> Path:
    if not _HASH.fullmatch(tx_hash):
        raise RejectedError(
            "transaction_unknown", f"{tx_hash!r} is no transaction's hash", param="txHash"
        )
    return home / "sent" / f"{tx_hash}.hex"
