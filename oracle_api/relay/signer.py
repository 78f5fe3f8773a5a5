"""Who signs for the relayer: a key in a file, or whatever else keeps one."""

from dataclasses import dataclass
from typing import Any, Protocol

from contracts.signing import Account, LocalAccount
from oracle_api.relay.key_file import relayer_key
from oracle_api.relay.settings import RelaySettings


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
    key = relayer_key(settings)
    return None if key is None else FileSigner(Account.from_key(key))
