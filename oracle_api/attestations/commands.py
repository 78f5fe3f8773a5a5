"""`billcoin-oracle attestation-keys`: make, order and revoke the keys that sign."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.payment_uri import format_address, parse_address
from oracle_api.attestations.key_file import Entry, read_key_file, write_key_file
from oracle_api.console import EXIT_USAGE, refusals_told
from oracle_api.times import rfc3339

PASSWORD_VARIABLE = "BILLCOIN_ATTESTATION_KEYS_PASSWORD"  # noqa: S105 - a variable's name

attestation_keys_app = typer.Typer(
    help="The keys that sign attestations; a running oracle reads them at its next start.",
    no_args_is_help=True,
)

KeysFile = Annotated[
    Path,
    typer.Option("--file", envvar="BILLCOIN_ATTESTATION_KEYS_FILE", help="The file of keys."),
]
Address = Annotated[str, typer.Argument(help="A key's address, as `list` shows it.")]


@attestation_keys_app.command()
def new(*, file: KeysFile) -> None:
    """Make a key, encrypted if BILLCOIN_ATTESTATION_KEYS_PASSWORD is set, and print its address.

    It signs only once it is the first (`use`): let the verifier contract add it before.
    """
    from contracts.signing import Account  # noqa: PLC0415 - only this needs it

    account = Account.create()
    entry: Entry = {"address": account.address, "createdAt": _now()}
    password = os.environ.get(PASSWORD_VARIABLE)
    if password:
        entry["keystore"] = Account.encrypt(account.key, password)
    else:
        entry["privateKey"] = to_hex(bytes(account.key))
    with refusals_told(status=EXIT_USAGE):
        entries = read_key_file(file) if file.exists() else []
        write_key_file(file, [*entries, entry])
    typer.echo(account.address)


@attestation_keys_app.command("list")
def list_(*, file: KeysFile) -> None:
    """List the keys' addresses and what each is for."""
    with refusals_told(status=EXIT_USAGE):
        entries = read_key_file(file)
    standing = [entry for entry in entries if not entry.get("revokedAt")]
    for entry in entries:
        if entry.get("revokedAt"):
            word = f"revoked {entry['revokedAt']}"
        else:
            word = "signs" if entry is standing[0] else "waits"
        typer.echo(f"{entry.get('address')} {word}")


@attestation_keys_app.command()
def use(address: Address, *, file: KeysFile) -> None:
    """Let this key sign from the next start on; what the others signed stays good."""
    with refusals_told(status=EXIT_USAGE):
        entries = read_key_file(file)
        chosen = _find(entries, address)
        if chosen.get("revokedAt"):
            raise RejectedError("setting_wrong", f"{address} is revoked, which is for good")
        write_key_file(file, [chosen, *(entry for entry in entries if entry is not chosen)])


@attestation_keys_app.command()
def revoke(address: Address, *, file: KeysFile) -> None:
    """Erase this key and publish its address as revoked.

    Revoke it in the verifier contract too (`revoke_signer`): that is what contracts ask.
    """
    with refusals_told(status=EXIT_USAGE):
        entries = read_key_file(file)
        chosen = _find(entries, address)
        kept: dict[str, Any] = {
            "address": chosen["address"],
            "createdAt": chosen.get("createdAt"),
            "revokedAt": chosen.get("revokedAt") or _now(),
        }
        write_key_file(file, [kept if entry is chosen else entry for entry in entries])


def _find(entries: list[Entry], address: str) -> Entry:
    wanted = format_address(parse_address(address, param="address"))
    for entry in entries:
        if str(entry.get("address")).lower() == wanted.lower():
            return entry
    raise RejectedError("setting_wrong", f"there is no key {address}")


def _now() -> str:
    return rfc3339(datetime.now(UTC))
