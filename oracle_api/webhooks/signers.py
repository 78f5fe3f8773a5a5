"""The secrets that an endpoint's deliveries are signed with, opened for their owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from ledger.errors import CorruptError
from ledger.store.pool import Connection
from ledger.store.webhooks import Endpoint, SealedSecret, insert_secret, read_secrets
from oracle_api.access.keyring import Keyring
from oracle_api.webhooks.sealing import open_secret, seal_secret
from oracle_api.webhooks.signing import Secret

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Signer:
    """A secret that is valid now, or None where its key is lost; for its owner only, and once."""

    row: SealedSecret
    secret: Secret | None


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """An endpoint and its secrets; `shown` is the one that the request made, while it is valid."""

    endpoint: Endpoint
    signers: Sequence[Signer]
    shown: Signer | None
    is_replayed: bool


async def read_signers(
    connection: Connection, keyring: Keyring, endpoint_id: str, *, now: datetime
) -> list[Signer]:
    """The secrets that are valid now, newest first."""
    rows = await read_secrets(connection, endpoint_id, now=now)
    return [Signer(row, _opened(keyring, row)) for row in rows]


async def add_secret(
    connection: Connection,
    keyring: Keyring,
    secret: Secret,
    *,
    secret_id: str,
    endpoint_id: str,
    now: datetime,
) -> None:
    """Sign with this secret as well, from now on."""
    sealed = seal_secret(keyring, secret, secret_id=secret_id, endpoint_id=endpoint_id)
    kind = str(secret.kind)
    await insert_secret(
        connection, secret_id, endpoint_id=endpoint_id, kind=kind, sealed=sealed, now=now
    )


def _opened(keyring: Keyring, row: SealedSecret) -> Secret | None:
    """A secret; None when its key is lost, which must not keep its owner from rotating it."""
    try:
        return open_secret(keyring, row)
    except CorruptError:
        log.exception("a webhook's secret cannot be read", secret=row.id)
        return None
