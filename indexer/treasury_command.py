"""The command that shows what the treasury's transfers were for."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from indexer.console import Json, read_settings, run, say
from indexer.settings import IndexerSettings
from ledger.store.cursor import require_cursor
from ledger.store.pool import connect
from ledger.store.treasury import TreasuryStatement, Unmatched, read_statement, read_unmatched
from ledger.units import format_bill

MAX_UNMATCHED = 10_000

Limit = Annotated[
    int, typer.Option(min=0, max=MAX_UNMATCHED, help="How many unmatched transfers to list.")
]


@dataclass(frozen=True, slots=True)
class _Report:
    block_number: int
    statement: TreasuryStatement
    unmatched: list[Unmatched]

    def as_json(self) -> dict[str, Any]:
        sums = self.statement
        return {
            "block_number": self.block_number,
            "received": format_bill(sums.received),
            "swept": format_bill(sums.swept),
            "in_vaults": format_bill(sums.in_vaults),
            "refunded": format_bill(sums.refunded),
            "unmatched_in": format_bill(sums.unmatched_in),
            "unmatched_out": format_bill(sums.unmatched_out),
            "open_refunds": dict(sums.refunds_by_status),
            "unmatched": [one.as_json() for one in self.unmatched],
        }


def add_to(app: typer.Typer) -> None:
    """Add the command to `billcoin-indexer`."""
    app.command()(treasury)


def treasury(*, limit: Limit = 20, as_json: Json = False) -> None:
    """Show what came to the treasury and left it, and what nothing explains, newest first.

    Amounts are BILL. A sweep, from an order address to the treasury, and a transfer that proves a
    refund are matched; everything else is listed for a person to look at.
    """
    report = run(_read(read_settings(), limit))
    say(report.as_json(), as_json=as_json, title="Treasury")


async def _read(settings: IndexerSettings, limit: int) -> _Report:
    connection = await connect(settings.database_url, application_name="billcoin-treasury")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            number = (await require_cursor(connection, settings.chain_id)).tip.number
            statement = await read_statement(connection, settings.chain_id, number)
            found = await read_unmatched(connection, settings.chain_id, number, limit=limit)
            return _Report(number, statement, list(found))
    finally:
        await connection.close()
