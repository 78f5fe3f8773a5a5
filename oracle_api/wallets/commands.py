"""`billcoin-oracle wallets`: the keys of linked wallets' addresses, and their rotation."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.errors import LedgerError
from ledger.store.pool import DATABASE_AWAY, connect
from ledger.store.wallets import count_outdated, lock_outdated, reseal_wallet
from oracle_api.console import refused
from oracle_api.wallets.vault import WalletVault, add_wallet_key

BATCH: Final = 500

wallets = typer.Typer(help="The keys of linked wallets' addresses.", no_args_is_help=True)

DatabaseUrl = Annotated[str, typer.Option(envvar="DATABASE_URL", help="The ledger's database.")]
KeysFile = Annotated[
    Path,
    typer.Option("--file", envvar="BILLCOIN_WALLET_KEYS_FILE", help="The file with the keys."),
]


@wallets.callback()
def wallets_commands() -> None:
    """The keys of linked wallets' addresses: one a line, the first encrypts, all decrypt.

    To rotate: `wallets new-key`, copy the file to every replica and restart them, `wallets rotate`;
    then the old key's line can go. The line `lookup` stays for ever.
    """


@wallets.command("new-key")
def new_key(
    *,
    file: KeysFile,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing when there is a file.")
    ] = False,
) -> None:
    """Make a key and put it first in the file, which is begun if there is none."""
    if if_missing and file.exists():
        return
    try:
        typer.echo(add_wallet_key(file))
    except LedgerError as error:
        raise refused(str(error)) from None


@wallets.command()
def rotate(*, file: KeysFile, database_url: DatabaseUrl) -> None:
    """Encrypt every address anew with the first key; can be stopped and repeated at any time."""
    try:
        asyncio.run(_rotate(database_url, WalletVault.from_file(file)))
    except LedgerError as error:
        raise refused(str(error)) from None
    except DATABASE_AWAY as error:
        raise refused(f"the database does not answer: {error}") from None


async def _rotate(database_url: str, vault: WalletVault) -> None:
    connection = await connect(database_url, application_name="billcoin-wallets")
    try:
        total = await count_outdated(connection, vault.key_id)
        done = 0
        while True:
            async with connection.transaction():
                found = await lock_outdated(connection, vault.key_id, limit=BATCH)
                for wallet in found:
                    plain = vault.open(wallet.address_sealed, account_id=wallet.account_id)
                    sealed = vault.seal(plain, account_id=wallet.account_id)
                    await reseal_wallet(connection, wallet.id, sealed, key_id=vault.key_id)
            if not found:
                break
            done += len(found)
            typer.echo(f"{done} of {total} encrypted with {vault.key_id}", err=True)
        typer.echo(f"{done} addresses encrypted with {vault.key_id}")
    finally:
        await connection.close()
