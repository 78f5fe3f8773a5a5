"""Accounts and API keys as clients see them; never a password, never a key."""

from typing import Any

from ledger.store.accounts import StoredAccount
from ledger.store.api_keys import StoredApiKey
from oracle_api.times import rfc3339


def account_document(account: StoredAccount) -> dict[str, Any]:
    """An account."""
    return {
        "id": account.id,
        "object": "account",
        "name": account.name,
        "roles": list(account.roles),
        "storeId": account.store_id,
        "hasPassword": account.password_hash is not None,
        "isEnabled": account.is_enabled,
        "createdAt": rfc3339(account.created_at),
        "disabledAt": account.disabled_at and rfc3339(account.disabled_at),
    }


def api_key_document(key: StoredApiKey) -> dict[str, Any]:
    """An API key by its last characters."""
    kind = "test" if key.is_test else "live"
    return {
        "id": key.id,
        "object": "api_key",
        "accountId": key.account_id,
        "name": key.name,
        "key": f"bck_{kind}_…{key.ending}",
        "scopes": list(key.scopes),
        "isTest": key.is_test,
        "createdAt": rfc3339(key.created_at),
        "expiresAt": rfc3339(key.expires_at),
        "revokedAt": key.revoked_at and rfc3339(key.revoked_at),
        "lastUsedAt": key.last_used_at and rfc3339(key.last_used_at),
    }
