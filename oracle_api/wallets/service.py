"""Links wallets to accounts by a signature over a message that only we could have written."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from ledger.ids import sortable_id
from ledger.payment_uri import format_address
from ledger.store.accounts import read_account
from ledger.store.actor import Actor
from ledger.store.pool import Connection
from ledger.store.wallets import (
    StoredWallet,
    count_wallets,
    delete_wallet,
    insert_challenge,
    insert_wallet,
    read_wallet_by_digest,
    take_challenge,
)
from oracle_api.access.office import Office
from oracle_api.pages import is_id
from oracle_api.problems import CapabilityOffError, DeniedError
from oracle_api.times import Clock, to_datetime
from oracle_api.wallets.sign_in_message import SignInMessage, signer_of
from oracle_api.wallets.vault import WalletVault

CHALLENGE_SECONDS: Final = 300
MAX_WALLETS: Final = 10
NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks from where: `domain` is the Host that the door has checked."""

    account_id: str
    domain: str
    is_secure: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """A message to be signed before `expires_at`."""

    nonce: str
    message: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Proven:
    """An address whose owner has answered a challenge."""

    address: bytes


class WalletService:
    """Links, lists and unlinks; randomness and time are passed in."""

    def __init__(
        self,
        vault: WalletVault | None,
        office: Office,
        clock: Clock,
        *,
        chain_id: int,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._vault = vault
        self._office = office
        self._clock = clock
        self._chain_id = chain_id
        self._random_bytes = random_bytes

    @property
    def vault(self) -> WalletVault:
        """What opens and seals.

        Raises:
            CapabilityOffError: `wallets_off`, when the operator has set no keys.
        """
        if self._vault is None:
            raise CapabilityOffError("wallets", "this oracle links no wallets")
        return self._vault

    async def challenge(self, connection: Connection, visit: Visit, address: bytes) -> Challenge:
        """Write a message for the address's owner to sign, and keep it, encrypted."""
        vault, now = self.vault, to_datetime(self._clock())
        account = await read_account(connection, visit.account_id)
        nonce = self._random_bytes(NONCE_BYTES).hex()
        expires_at = now + timedelta(seconds=CHALLENGE_SECONDS)
        message = SignInMessage(
            domain=visit.domain,
            is_secure=visit.is_secure,
            address=address,
            account_name=account.name if account is not None else visit.account_id,
            chain_id=self._chain_id,
            nonce=nonce,
            issued_at=now,
            expires_at=expires_at,
        ).text()
        plain = orjson.dumps({"address": address.hex(), "message": message})
        sealed = vault.seal(plain, account_id=visit.account_id)
        await insert_challenge(
            connection, nonce, visit.account_id, sealed, now=now, expires_at=expires_at
        )
        return Challenge(nonce, message, expires_at)

    async def take(
        self, connection: Connection, visit: Visit, nonce: str, signature: bytes
    ) -> Proven | None:
        """Use a challenge up, and say whose wallet answered it; None when none did.

        To be committed in either case: a challenge is answered once, rightly or wrongly.
        """
        vault = self.vault
        taken = await take_challenge(connection, nonce, visit.account_id)
        if taken is None or taken.expires_at <= to_datetime(self._clock()):
            return None
        opened = orjson.loads(vault.open(taken.sealed, account_id=visit.account_id))
        address = bytes.fromhex(opened["address"])
        return Proven(address) if signer_of(opened["message"], signature) == address else None

    def unanswered(self) -> DeniedError:
        """The refusal of a signature that answers no challenge."""
        return self._office.refused(
            "signature_invalid",
            "no challenge of this account was answered: ask for a new one, and let the wallet "
            "sign its message as it is within five minutes",
            param="signature",
        )

    async def link(self, connection: Connection, visit: Visit, proven: Proven) -> StoredWallet:
        """Link a proven wallet; doing it twice is as good as once.

        Raises:
            DeniedError: `wallet_linked_elsewhere` or `too_many_wallets`.
        """
        vault, now = self.vault, to_datetime(self._clock())
        digest, account_id = vault.digest(proven.address), visit.account_id
        count = await count_wallets(connection, account_id)
        before = await read_wallet_by_digest(connection, digest)
        if before is not None and before.account_id == account_id:
            return before
        if count >= MAX_WALLETS:
            message = f"an account has at most {MAX_WALLETS} wallets; unlink one"
            raise self._office.refused("too_many_wallets", message)
        wallet_id = sortable_id(
            "wal",
            unix_milliseconds=int(now.timestamp() * 1000),
            randomness=self._random_bytes(10),
        )
        sealed = vault.seal(proven.address, account_id=account_id)
        wallet = StoredWallet(wallet_id, account_id, sealed, digest, now)
        if before is not None or not await insert_wallet(connection, wallet, key_id=vault.key_id):
            message = "this wallet is linked to another account; unlink it there first"
            raise self._office.refused("wallet_linked_elsewhere", message)
        await self._record(connection, visit, "wallet.linked", wallet_id)
        return wallet

    async def unlink(self, connection: Connection, visit: Visit, wallet_id: str) -> None:
        """Forget a wallet.

        Raises:
            DeniedError: `wallet_not_found`, also for another account's.
        """
        if not is_id(wallet_id, prefix="wal") or not await delete_wallet(
            connection, visit.account_id, wallet_id
        ):
            raise self._office.refused("wallet_not_found", "there is no such wallet", param="id")
        await self._record(connection, visit, "wallet.unlinked", wallet_id)

    def masked(self, wallet: StoredWallet) -> str:
        """The ends of an address: enough for its owner, too little for anybody else."""
        opened = self.vault.open(wallet.address_sealed, account_id=wallet.account_id)
        text = format_address(opened)
        return f"{text[:6]}…{text[-4:]}"

    async def _record(
        self, connection: Connection, visit: Visit, action: str, wallet_id: str
    ) -> None:
        # Never the address, which the log would keep for ever.
        details: dict[str, Any] = {}
        now = to_datetime(self._clock())
        actor = Actor(visit.account_id, visit.request_id)
        await actor.note(connection, action, wallet_id, details, now=now)
