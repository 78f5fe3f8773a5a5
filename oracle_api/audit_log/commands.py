"""`billcoin-oracle audit-log verify`: tells whether anything in the log was changed."""

import asyncio
import json
import re
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from ledger.audit_chain import Tampering
from ledger.store.audit_log import check_audit_log, read_entry_hash
from ledger.store.pool import connect
from oracle_api.console import EXIT_USAGE, refused

EXIT_TAMPERED: Final = 1

_KNOWN: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", re.ASCII)

audit_log = typer.Typer(help="The record of who did what.", no_args_is_help=True)

DatabaseUrl = Annotated[str, typer.Option(envvar="DATABASE_URL", help="The ledger's database.")]
Known = Annotated[
    str | None,
    typer.Option(
        help="A head that this command printed earlier, SEQ:HASH; it must still stand there."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@audit_log.callback()
def audit_log_commands() -> None:
    """The record of who did what."""


@audit_log.command()
def verify(*, database_url: DatabaseUrl, known: Known = None, as_json: Json = False) -> None:
    """Check every entry against the one before it; exit status 1 if anything was changed.

    Write the head it prints down somewhere else: who can rewrite the whole database can rewrite
    the whole chain, but not what you have noted. Give that head with --known the next time.
    """
    noted = None if known is None else _KNOWN.fullmatch(known)
    if known is not None and noted is None:
        raise refused("--known must be SEQ:HASH, as this command prints it", status=EXIT_USAGE)
    seq_and_hash = None if noted is None else (int(noted[1]), bytes.fromhex(noted[2]))
    head, found = asyncio.run(_check(database_url, seq_and_hash))
    report: dict[str, Any] = {
        "sound": found is None,
        "entries": head[0],
        "head": f"{head[0]}:{head[1].hex()}",
        "tampering": None if found is None else asdict(found),
    }
    typer.echo(json.dumps(report) if as_json else _told(report))
    raise typer.Exit(0 if found is None else EXIT_TAMPERED)


async def _check(
    database_url: str, known: tuple[int, bytes] | None
) -> tuple[tuple[int, bytes], Tampering | None]:
    connection = await connect(database_url, application_name="billcoin-audit-log")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            head_seq, head_hash, found = await check_audit_log(connection)
            if found is None and known is not None:
                seq, noted_hash = known
                if await read_entry_hash(connection, seq) != noted_hash:
                    found = Tampering(seq, "known_differs", f"entry {seq} is not the one you noted")
            return (head_seq, head_hash), found
    finally:
        await connection.close()


def _told(report: dict[str, Any]) -> str:
    if report["sound"]:
        return f"sound: {report['entries']} entries\nhead: {report['head']}"
    tampering = report["tampering"]
    return f"TAMPERED at entry {tampering['seq']}: {tampering['message']} ({tampering['code']})"
