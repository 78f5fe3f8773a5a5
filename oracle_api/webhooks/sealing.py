"""Secrets of webhooks as they are kept: encrypted, each bound to its endpoint."""

from ledger.store.webhooks import SealedSecret
from oracle_api.access.keyring import Keyring
from oracle_api.webhooks.signing import Secret, SecretKind


def seal_secret(keyring: Keyring, secret: Secret, *, secret_id: str, endpoint_id: str) -> bytes:
    """Encrypt a secret for its row."""
    return keyring.seal(secret.key, context=_context(secret_id, endpoint_id, secret.kind))


def open_secret(keyring: Keyring, row: SealedSecret) -> Secret:
    """Decrypt a row's secret.

    Raises:
        CorruptError: its key is missing, or the row is not what was written.
    """
    kind = SecretKind(row.kind)
    return Secret(kind, keyring.open(row.sealed, context=_context(row.id, row.endpoint_id, kind)))


def _context(secret_id: str, endpoint_id: str, kind: SecretKind) -> str:
    return f"webhook_secret/{endpoint_id}/{secret_id}/{kind}"
