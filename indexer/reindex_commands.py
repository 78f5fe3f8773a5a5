"""`billcoin-indexer reindex`: the ledger's blocks and transfers built anew, without a stop."""

from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from indexer.audit.work import choose_task
from indexer.backfill import DEFAULT_WORKERS, process_pool
from indexer.console import EXIT_UNSOUND, Json, read_settings, run, say
from indexer.lead import open_sources
from indexer.progress import proving_bar
from indexer.quorum import is_held
from indexer.reindex import Reindexed, reindex
from indexer.settings import IndexerSettings
from ledger.store.pool import connect


def reindex_command(
    *,
    swap: Annotated[
        bool, typer.Option("--swap", help="Put the new tables in the live ones' place.")
    ] = False,
    node: Annotated[
        str | None, typer.Option(help="The node to build from; by default our first one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = DEFAULT_WORKERS,
    as_json: Json = False,
) -> None:
    """Build all final blocks anew beside the live ledger and compare; the service runs on.

    Without --swap nothing live is touched, and exit status 1 says that they differ. With it the
    new tables take the place of the old in one transaction, and orders whose payments changed are
    judged again, with their events; as many nodes as the quorum wants must have the last block.
    """
    settings = read_settings()
    with process_pool(workers) as pool:
        result = run(_reindex(settings, pool, node=node, workers=workers, swap=swap))
    say(asdict(result), as_json=as_json, title="Reindex")
    raise typer.Exit(EXIT_UNSOUND if result.different_blocks and not swap else 0)


async def _reindex(
    settings: IndexerSettings, executor: Executor, *, node: str | None, workers: int, swap: bool
) -> Reindexed:
    connection = await connect(settings.database_url, application_name="billcoin-reindex")
    try:
        task = await choose_task(connection, settings, node=node)
        async with open_sources(settings) as sources:
            with proving_bar() as progress:
                return await reindex(
                    connection,
                    executor,
                    task,
                    workers=workers,
                    swap=swap,
                    progress=progress,
                    is_backed=partial(is_held, sources),
                )
    finally:
        await connection.close()
