"""Everything that a sale needs, running: Postgres, chain, contracts, indexer and oracle."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.accounts import API_KEY_VARIABLE, Accounts
from devnet.anvil import anvil_binary
from devnet.attended import attended, both
from devnet.manifest import Manifest, write_manifest
from devnet.oracle_client import open_oracle
from devnet.ports import LOOPBACK, free_port
from devnet.process import LeashedProcess
from devnet.running_chain import (
    BLOCK_TIME_SECONDS,
    ChainOpener,
    RunningChain,
)
from devnet.sealing_keys import sealing_variables
from devnet.services import console_script, watch
from devnet.starter import Office, StackOptions, Starter
from ledger.errors import TransientError

DEFAULT_RATE_MYR_PER_BILL = "7.20"

_READY_TIMEOUT_SECONDS = 60.0
_READY_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Stack:
    """What runs and how to reach it; `processes` are those that must not end."""

    manifest: Manifest
    oracle_url: str
    accounts: Accounts
    variables: dict[str, str]
    processes: tuple[LeashedProcess, ...]
    chain: RunningChain | None = None
    """Our own chain, if it is."""


def _variables(
    manifest: Manifest, chain: RunningChain | None, database_url: str, oracle_port: int
) -> dict[str, str]:
    """The environment of both services, by the names in their settings."""
    nodes = {} if chain is None else _node_variables(chain)
    pace = BLOCK_TIME_SECONDS if chain is None else chain.block_time_seconds
    return {
        **manifest.variables(),
        **nodes,
        "DATABASE_URL": database_url,
        "BILLCOIN_BLOCK_TIME_SECONDS": f"{pace:g}",
        "BILLCOIN_ORACLE_HOST": LOOPBACK,
        "BILLCOIN_ORACLE_PORT": str(oracle_port),
        "BILLCOIN_RATE_MYR_PER_BILL": os.environ.get(
            "BILLCOIN_RATE_MYR_PER_BILL", DEFAULT_RATE_MYR_PER_BILL
        ),
    }


def _node_variables(chain: RunningChain) -> dict[str, str]:
    """All nodes, in the form that the indexer reads."""
    return {
        "BILLCOIN_NODE_HTTP_URL": ",".join(node.http_url for node in chain.nodes),
        "BILLCOIN_NODE_WS_URL": ",".join(node.ws_url for node in chain.nodes),
    }


async def _wait_until_ready(url: str, say: Callable[[str], None]) -> None:
    try:
        async with open_oracle(url) as oracle, asyncio.timeout(_READY_TIMEOUT_SECONDS):
            while not await oracle.is_ready():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(_READY_POLL_SECONDS)
    except TimeoutError as error:
        raise TransientError(f"the oracle at {url} did not become ready in time") from error
    say("indexer and oracle are ready")


async def _open_up(starter: Starter, oracle_url: str, office: Office | None) -> Accounts:
    await _wait_until_ready(oracle_url, starter.say)
    return await starter.accounts(oracle_url, office)


def _require_tools(open_chain: ChainOpener | None) -> None:
    """Say what is missing before anything is started."""
    for script in ("billcoin-indexer", "billcoin-oracle"):
        console_script(script)
    if open_chain is None and not os.environ.get("BILLCOIN_NODE_HTTP_URL"):
        anvil_binary()


@asynccontextmanager
async def running_stack(
    folder: Path,
    options: StackOptions,
    *,
    meanwhile: Callable[[Manifest], Coroutine[Any, Any, None]],
    say: Callable[[str], None],
) -> AsyncIterator[Stack]:
    """Run everything for the length of the block; logs, manifest and `.env` lie in `folder`.

    `meanwhile` is what else wants the contracts; it is done while the services come up.
    """
    _require_tools(options.open_chain)
    async with AsyncExitStack() as exits:
        starter = Starter(folder, options, exits, say)
        manifest, stored = await both(starter.chain(), starter.database())
        database_url, oracle_database_url, office = stored
        port = options.oracle_port or free_port()
        variables = _variables(manifest, starter.running_chain, database_url, port)
        variables |= starter.own_variables
        variables |= sealing_variables(starter.keys)
        write_manifest(folder, variables)
        starter.services(variables, oracle_database_url)
        oracle_url = f"http://{LOOPBACK}:{port}"
        opening = _open_up(starter, oracle_url, office)
        coming_up = attended(opening, watch(starter.processes))
        accounts, _ = await both(coming_up, both(meanwhile(manifest), starter.let_economy_in()))
        starter.jobs(variables, oracle_database_url)
        # The services have no use for it, and need not know it.
        told = {**variables, API_KEY_VARIABLE: accounts.api_key}
        write_manifest(folder, told)
        processes = tuple(starter.processes)
        yield Stack(manifest, oracle_url, accounts, told, processes, starter.running_chain)
