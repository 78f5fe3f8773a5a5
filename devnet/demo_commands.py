"""`billcoin-devnet demo`: sell a milk on a chain of one's own, from nothing to settled."""

import asyncio
import json
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from contracts.signing import Account, LocalAccount
from devnet.accounts import ACCOUNTS_NAME, API_KEY_VARIABLE, Accounts
from devnet.attended import attended
from devnet.console import EXIT_INTERRUPTED, say
from devnet.home import HOME_VARIABLE, state_home
from devnet.node import open_node
from devnet.oracle_client import open_oracle
from devnet.progress import Progress
from devnet.run_folder import run_folder
from devnet.sale import DEFAULT_PATIENCE_SECONDS, Sale, Seller
from devnet.services import watch
from devnet.stack import Stack, running_stack
from devnet.starter import StackOptions
from devnet.student import STUDENT, STUDENT_PASSWORD, equip_student
from devnet.wallet_commands import PASSWORD_VARIABLE
from ledger.errors import LedgerError


class InterruptedDemoError(LedgerError):
    """Somebody ended the demo before the milk was sold."""


@dataclass(frozen=True)
class _Demo:
    """One run."""

    folder: Path
    options: StackOptions
    progress: Progress
    once: bool
    as_json: bool
    patience_seconds: float

    async def run(self) -> dict[str, Any]:
        """Start everything, sell a milk and, unless `once`, stay up until told to stop."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        sold: dict[str, Any] = {}
        try:
            await attended(self._work(sold), _interrupted(stop, sold))
        except InterruptedDemoError:
            if not sold:
                raise
        return sold

    async def _work(self, sold: dict[str, Any]) -> None:
        student: LocalAccount = Account.create()
        meanwhile = partial(equip_student, student, home=self.folder, say=self.progress.step)
        async with running_stack(
            self.folder, self.options, meanwhile=meanwhile, say=self.progress.step
        ) as stack:
            await attended(self._sell_and_stay(stack, student, sold), watch(stack.processes))

    async def _sell_and_stay(
        self, stack: Stack, student: LocalAccount, sold: dict[str, Any]
    ) -> None:
        sale = await self._sell(stack, student)
        till_url = f"{stack.oracle_url}/till"
        self.progress.timeline(sale.timeline)
        self.progress.note(f"verdict: {json.dumps(sale.verdict)}")
        sold.update(sale.fields(), tillUrl=till_url)
        if self.once:
            return
        if self.as_json:
            say(json.dumps({"ok": True, **sold}))
        self.progress.note(_what_to_do(self.folder, till_url, stack.accounts))
        await asyncio.get_running_loop().create_future()

    async def _sell(self, stack: Stack, student: LocalAccount) -> Sale:
        async with (
            open_node(stack.manifest.node_http_url) as node,
            open_oracle(stack.oracle_url, sign_in=stack.accounts.till) as oracle,
        ):
            return await Seller(
                node,
                oracle,
                student,
                stack.manifest.deployment,
                stack.manifest.node_ws_url,
                self.progress.sale_step,
                self.patience_seconds,
            ).sell_milk()


def _what_to_do(folder: Path, till_url: str, accounts: Accounts) -> str:
    till = accounts.till
    return (
        f"\nThe till: {till_url}\n"
        f"  sign in as {till.name} with the password {till.password}\n"
        "To pay an order's QR text, and to ask the oracle as a partner, in another terminal:\n"
        f"  export {HOME_VARIABLE}={folder} {PASSWORD_VARIABLE}={STUDENT_PASSWORD} "
        f"{API_KEY_VARIABLE}={accounts.api_key}\n"
        f"  billcoin-devnet wallet pay --name {STUDENT} 'ethereum:...'\n"
        f"The other accounts are in {folder / ACCOUNTS_NAME}\n"
        "Ctrl-C stops everything."
    )


async def _interrupted(stop: asyncio.Event, sold: dict[str, Any]) -> None:
    await stop.wait()
    raise InterruptedDemoError("stopped after the sale" if sold else "stopped before the sale")


Once = Annotated[
    bool, typer.Option("--once", help="Stop when the milk is sold; the last line is JSON.")
]
OnlyJson = Annotated[
    bool, typer.Option("--json", help="Only the JSON on standard output; the rest on error.")
]
Patience = Annotated[
    float, typer.Option(min=1, help="Seconds until paid, and from paid until settled.")
]


def _port(whose: str) -> Any:
    return typer.Option(min=1, max=65_535, help=f"{whose} port; by default a free one.")


def demo(
    *,
    once: Once = False,
    as_json: OnlyJson = False,
    port: Annotated[int | None, _port("The oracle's")] = None,
    node_port: Annotated[int | None, _port("The chain's")] = None,
    database_port: Annotated[int | None, _port("PostgreSQL's")] = None,
    patience: Patience = DEFAULT_PATIENCE_SECONDS,
) -> None:
    """Sell a milk: start Postgres, chain, indexer and oracle, pay an order, watch it settle.

    DATABASE_URL and BILLCOIN_NODE_HTTP_URL replace the parts that would be started here.
    """
    progress = Progress(Console(stderr=as_json))
    options = StackOptions(port, node_port, database_port)
    with run_folder(state_home()) as folder:
        try:
            sold = asyncio.run(_Demo(folder, options, progress, once, as_json, patience).run())
        except InterruptedDemoError as interruption:
            progress.note(f"billcoin-devnet: {interruption}")
            sold = {}
        except LedgerError:
            progress.note(f"the logs are in {folder}")
            raise
    if not sold:
        raise typer.Exit(EXIT_INTERRUPTED)
    if once:
        say(json.dumps({"ok": True, **sold}))
    else:
        progress.note("everything is stopped")
