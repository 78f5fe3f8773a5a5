"""Who signs for the relayer: a key in a file, or whatever else keeps one."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount

from ledger.errors import RejectedError
from oracle_api.relay.settings import RelaySettings

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})", re.ASCII)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction as it is sent, and its hash."""

    raw: bytes
    tx_hash: bytes


class Signer(Protocol):
    """Signs transactions of one account.

    A key management service goes in here: `sign` sends it the transaction's hash and puts the
    signature that comes back into the bytes. It must give the same account for its whole life.
    """

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        ...

    async def sign(self, transaction: dict[str, Any]) -> Signed:
        """Sign a transaction, given as eth-account's dictionary."""
        ...


class FileSigner:
    """Signs with a key that was read from a file; it shows neither in logs nor in `repr`."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._address = bytes.fromhex(account.address[2:])

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    async def sign(self, transaction: dict[str, Any]) -> Signed:
        """Sign a transaction; takes a fraction of a millisecond."""
        signed = self._account.sign_transaction(transaction)
        return Signed(bytes(signed.raw_transaction), bytes(signed.hash))


def signer_of(settings: RelaySettings) -> FileSigner | None:
    """The signer that the settings name, or None where there is to be no relay.

    Raises:
        RejectedError: `setting_wrong`: node or key is missing, or the key cannot be read.
    """
    url, path = settings.relayer_node_url, settings.relayer_key_file
    if (url is None) is not (path is None):
        raise RejectedError(
            "setting_wrong",
            "BILLCOIN_RELAYER_NODE_URL and BILLCOIN_RELAYER_KEY_FILE go together: set both or none",
        )
    return None if path is None else read_key_file(path)


def read_key_file(path: Path) -> FileSigner:
    """A signer with the key in the file: 64 hex digits, readable by its owner alone.

    Raises:
        RejectedError: `setting_wrong`; the message never holds what the file holds.
    """
    try:
        with path.open("rb") as file:
            # Of the opened file, not of the path, which somebody could exchange in between.
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(200).decode("ascii", errors="replace").strip()
    except OSError as error:
        raise _wrong(f"cannot be read: {error.strerror}") from None
    if mode & _OTHERS:
        raise _wrong("must be readable by its owner alone: chmod 600")
    match = _KEY.fullmatch(text)
    if match is None:
        raise _wrong("must hold a private key: 64 hex digits and nothing else")
    try:
        return FileSigner(Account.from_key(bytes.fromhex(match.group(1))))
    except Exception:  # noqa: BLE001 - whatever the library says, it may quote the key
        raise _wrong("holds no private key of secp256k1") from None


def _wrong(reason: str) -> RejectedError:
    return RejectedError("setting_wrong", f"BILLCOIN_RELAYER_KEY_FILE: the file {reason}")
