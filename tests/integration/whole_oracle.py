"""An oracle that offers everything it has, to somebody who may do everything."""

import base64
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from access_support import Guarded, Person, guarded_oracle
from oracle_support import Ledger, Pay, published, tx

from oracle_api.access.principal import Role
from oracle_api.wallets.vault import add_wallet_key

MANY = 1_000_000
VERIFIER = b"\x05" * 20
STANDING_ORDERS = b"\x06" * 20
ATTESTATION_KEY = "0x" + "11" * 32


def whole_settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Every capability that needs no chain; limits that no test reaches, but where it wants to."""
    keys = folder / "keys"
    keys.write_text(f"test {base64.b64encode(os.urandom(32)).decode()}\n")
    keys.chmod(0o600)
    wallet_keys = folder / "wallet-keys"
    add_wallet_key(wallet_keys)
    return {
        "webhook_keys_file": keys,
        "wallet_keys_file": wallet_keys,
        "attestation_verifier_address": VERIFIER,
        "attestation_keys": ATTESTATION_KEY,
        "standing_orders_address": STANDING_ORDERS,
        "max_wait_seconds": 0,
        # As long as any store could let an order live, so that all that OpenAPI allows is taken.
        "order_ttl_seconds": 86_400,
        # Nobody observes a chain here, and nothing has to be fast.
        "max_observation_age_seconds": 86_400,
        "max_tip_age_seconds": 86_400,
        **{
            f"{who}_per_minute": MANY
            for who in (
                *("user_attempts", "anonymous_attempts", "till_attempts", "partner_attempts"),
                *("account_requests", "anonymous_requests"),
            )
        },
    } | changes


@contextlib.asynccontextmanager
async def whole_oracle(ledger: Ledger, folder: Path, **changes: Any) -> AsyncIterator[Guarded]:
    """The oracle, with an order that is paid, so that there is something to find."""
    async with guarded_oracle(ledger, **whole_settings(folder, **changes)) as guarded:
        yield guarded


async def everybody(guarded: Guarded, name: str = "everybody") -> Person:
    """One account with all roles."""
    return await guarded.person(name, *Role, store="cafeteria")


async def prices(ledger: Ledger, *, days: int = 40) -> None:
    """A history of prices that is long enough for a forecast."""
    now = int(time.time())
    first = now - days * 86_400
    await ledger.block(
        *(
            published(f"7.{day % 7}5", round_id=day + 1, at=first + day * 86_400)
            for day in range(days)
        )
    )


async def paid_order(ledger: Ledger, person: Person, name: str = "first") -> Any:
    """An order and the transaction that paid it."""
    order = await person.order(f"paid-{name}")
    await ledger.block(Pay(order["orderAddress"], order["amountDue"], tx(name)))
    return order
