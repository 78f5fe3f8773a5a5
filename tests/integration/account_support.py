"""Accounts as the office makes them, signed in."""

import secrets
from datetime import UTC, datetime
from typing import Any

from oracle_support import Client

from ledger.ids import sortable_id
from ledger.store.accounts import NewAccount, insert_account
from ledger.store.pool import Connection
from oracle_api.access.principal import Role


def new_id(prefix: str) -> str:
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    return sortable_id(prefix, unix_milliseconds=milliseconds, randomness=secrets.token_bytes(10))


async def signed_in(
    client: Client, connection: Connection, *roles: Role, store_id: str | None = None
) -> tuple[str, dict[str, str]]:
    """A new account's id, and the headers that show its access token."""
    account_id, now = new_id("acc"), datetime.now(UTC)
    await insert_account(
        connection,
        NewAccount(account_id, account_id.lower(), sorted(roles), store_id, None, now),
    )
    entrance: Any = client.oracle._edge._gate._credentials
    token = entrance._tokens.issue(account_id, new_id("ses"), roles)
    return account_id, {"Authorization": f"Bearer {token}"}
