"""The commands about history: take it in fast, check it, hand it out, build it anew."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from indexer.audit.commands import audit, verify_audit
from indexer.backfill import DEFAULT_WORKERS, Progress, process_pool
from indexer.backfill_nodes import HistoryNodes, backfill_from_any
from indexer.backfill_worker import RangeTask
from indexer.console import Json, read_settings, run, say
from indexer.deployment_check import check_deployment_on_chain, find_anchor
from indexer.export_commands import export
from indexer.lead import follow_configured, open_sources
from indexer.node import Depth
from indexer.progress import progress_bar
from indexer.proof_commands import verify_proof
from indexer.reindex_commands import reindex_command
from indexer.settings import IndexerSettings
from indexer.sources import NodesDisagreeError
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.store.cursor import Cursor, check_deployment, read_registered_cursor, register
from ledger.store.leadership import try_lead
from ledger.store.observation import read_observation
from ledger.store.pool import Connection, connect
from ledger.store.switch import Step, apply_step, read_canonical

Workers = Annotated[int, typer.Option(min=1, max=256, help="Worker processes.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `billcoin-indexer`."""
    app.command()(backfill)
    app.command("verify-proof")(verify_proof)
    app.command()(audit)
    app.command("verify-audit")(verify_audit)
    app.command()(export)
    app.command("reindex")(reindex_command)


def backfill(
    *,
    to: Annotated[
        int | None, typer.Option("--to", min=0, help="Last block; by default the finalized one.")
    ] = None,
    workers: Workers = DEFAULT_WORKERS,
    as_json: Json = False,
) -> None:
    """Take in long history with several processes, every block proven, then end.

    It goes on where the ledger stands and can be stopped at any moment. `billcoin-indexer run`
    must not be at work meanwhile; it continues from where this ends.
    """
    settings = read_settings()
    result = run(_backfill(settings, to, workers))
    values = {
        "first_block": result.first_block,
        "tip_number": result.cursor.tip.number,
        "tip_hash": to_hex(result.cursor.tip.hash),
        "transfers": result.transfers,
        "seconds": round(result.seconds, 3),
        "transfers_per_second": round(result.transfers / max(result.seconds, 1e-9)),
    }
    say(values, as_json=as_json, title="Backfill")


@dataclass(frozen=True, slots=True)
class _Backfilled:
    first_block: int
    transfers: int
    seconds: float
    cursor: Cursor


async def _backfill(settings: IndexerSettings, last: int | None, workers: int) -> _Backfilled:
    connection = await connect(settings.database_url, application_name="billcoin-backfill")
    try:
        if not await try_lead(connection, settings.chain_id):
            raise RejectedError(
                "another_leads", "another indexer is at work on this ledger: stop it first"
            )
        await refuse_if_halted(connection, settings.chain_id)
        async with open_sources(settings) as sources:
            await check_deployment_on_chain(sources, settings.deployment, settings.events)
            depth = await sources.depth()
            if last is None:
                last = _final_number(depth, required=sources.required)
            if not await check_deployment(connection, settings.deployment):
                anchor = await find_anchor(
                    sources, settings.token_address, start_block=settings.start_block
                )
                async with connection.transaction():
                    await register(connection, settings.deployment, anchor=anchor)
            await follow_configured(connection, settings)
            final_number = depth.finalized.number if depth.finalized else -1
            nodes = HistoryNodes(sources, final_number)
            result = await _proceed(connection, settings, nodes, last, workers)
        await _deepen(connection, settings.chain_id, result.cursor, depth)
        return result
    finally:
        await connection.close()


def _final_number(depth: Depth, *, required: int) -> int:
    """Up to where history is taken in when nobody says.

    Raises:
        NodesDisagreeError: the nodes name none, or too few the same.
    """
    if depth.finalized is None:
        raise NodesDisagreeError(
            f"too few nodes call the same block finalized ({required} have to), so nothing was "
            "taken in. Where the log has `depths_disagree` some are on another chain: take them "
            'out of BILLCOIN_NODE_HTTP_URL (docs/operator.md, "Nodes disagree"). Else the chain '
            "has none yet: wait, or name the last block with --to"
        )
    return depth.finalized.number


async def _proceed(
    connection: Connection, settings: IndexerSettings, nodes: HistoryNodes, last: int, workers: int
) -> _Backfilled:
    cursor = await read_registered_cursor(connection, settings.chain_id)
    first = cursor.tip.number + 1
    tally = _Tally()
    task = RangeTask(
        node_url=settings.history_url(),
        chain_id=settings.chain_id,
        token=settings.token_address,
        first=first,
        last=last,
        events=settings.events,
    )
    with progress_bar("Proving and writing blocks") as (bar, line), process_pool(workers) as pool:

        def tell(progress: Progress) -> None:
            tally.add(progress)
            rate = f"{tally.transfers / max(tally.seconds, 1e-9):,.0f} transfers/s"
            done = progress.cursor.tip.number - first + 1
            bar.update(line, completed=done, total=last - first + 1, rate=rate)

        cursor = await backfill_from_any(
            connection, pool, nodes, task=task, workers=workers, progress=tell
        )
    return _Backfilled(first, tally.transfers, tally.seconds, cursor)


class _Tally:
    """What the nodes have told together; each one's progress counts from its own first block."""

    def __init__(self) -> None:
        self.transfers = 0
        self.seconds = 0.0
        self._before = (0, 0.0)
        self._blocks_total = 0

    def add(self, progress: Progress) -> None:
        if progress.blocks_total != self._blocks_total:
            self._before = (self.transfers, self.seconds)
        self._blocks_total = progress.blocks_total
        transfers, seconds = self._before
        self.transfers = transfers + progress.transfers
        self.seconds = seconds + progress.seconds


async def _deepen(connection: Connection, chain_id: int, cursor: Cursor, depth: Depth) -> None:
    """Note what is final of what was taken in, so that paid orders are settled."""
    told = [ref for ref in (depth.safe, depth.finalized) if ref]
    ours = await read_canonical(connection, chain_id, [ref.number for ref in told])
    known = {ref for ref in told if ours.get(ref.number) == ref.hash}
    step = Step(
        expected_tip=cursor.tip,
        fork=cursor.tip,
        branch=(),
        safe=depth.safe if depth.safe in known else None,
        finalized=depth.finalized if depth.finalized in known else None,
    )
    async with connection.transaction():
        await apply_step(connection, chain_id, step, now=datetime.now(UTC))


async def refuse_if_halted(connection: Connection, chain_id: int) -> None:
    """A halted ledger is not written to before a person has looked.

    Raises:
        RejectedError: `indexer_halted`.
    """
    observation = await read_observation(connection, chain_id)
    if observation is not None and observation.halt_code is not None:
        raise RejectedError(
            "indexer_halted",
            f"halted before with {observation.halt_code}: {observation.halt_reason}. "
            "Resolve it, then run `billcoin-indexer resume`",
        )
