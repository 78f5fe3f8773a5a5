"""Everything that a sale needs, running: Postgres, chain, contracts, indexer and oracle."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.anvil import DEFAULT_CHAIN_ID, anvil, anvil_binary
from devnet.attended import attended, both
from devnet.attestation_key import KEYS_NAME, KEYS_VARIABLE, attestation_signer
from devnet.databases import create_database, create_role
from devnet.deploy import deploy
from devnet.dev_accounts import (
    DEPLOYER_INDEX,
    TREASURY_INDEX,
    dev_account,
    economy_accounts,
)
from devnet.economy import open_economy
from devnet.manifest import Manifest, read_manifest, write_manifest
from devnet.node import open_node
from devnet.oracle_client import open_oracle
from devnet.ports import LOOPBACK, free_port
from devnet.postgres import PostgresServer, start_postgres
from devnet.process import LeashedProcess
from devnet.relayer_key import make_relayer
from devnet.services import console_script, run_to_end, start_service, watch
from devnet.transactions import address_of
from devnet.webhook_keys import webhook_variables
from ledger.errors import TransientError

DATABASE_NAME = "billcoin"
ORACLE_ROLE = "billcoin_oracle"
DEFAULT_RATE_MYR_PER_BILL = "7.20"
BLOCK_TIME_SECONDS = 1.0
# `finalized` is two epochs behind the head: four blocks instead of sixty-four.
SLOTS_IN_AN_EPOCH = 2

_READY_TIMEOUT_SECONDS = 60.0
_READY_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class StackOptions:
    """Ports of the three servers; None takes a free one."""

    oracle_port: int | None = None
    node_port: int | None = None
    database_port: int | None = None


@dataclass(frozen=True)
class Stack:
    """What runs and how to reach it; `processes` are those that must not end."""

    manifest: Manifest
    oracle_url: str
    variables: dict[str, str]
    processes: tuple[LeashedProcess, ...]


class _Starter:
    """Starts the parts; what it started, the exit stack ends in the opposite order."""

    def __init__(
        self, folder: Path, options: StackOptions, exits: AsyncExitStack, say: Callable[[str], None]
    ) -> None:
        self.folder, self.options, self.exits, self.say = folder, options, exits, say
        self.processes: list[LeashedProcess] = []
        self.deployed: Manifest | None = None
        self.relayer: dict[str, str] = {}

    def _keep(self, process: LeashedProcess) -> LeashedProcess:
        self.processes.append(process)
        self.exits.push_async_callback(asyncio.to_thread, process.stop)
        return process

    async def _postgres(self) -> PostgresServer:
        """Start a server; one whose start is interrupted is stopped as soon as it can be."""
        starting = asyncio.ensure_future(
            asyncio.to_thread(
                start_postgres,
                port=self.options.database_port,
                durable=True,
                log_path=self.folder / "postgres.log",
            )
        )
        try:
            server = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._keep((await starting).process)
            raise
        self._keep(server.process)
        return server

    async def database(self) -> tuple[str, str]:
        """A migrated database: the one that `DATABASE_URL` names, else a new one of our own.

        Its URL for the indexer, and for the oracle, which has a role of its own in our own one.
        """
        url = oracle_url = os.environ.get("DATABASE_URL") or ""
        options: list[str] = []
        if not url:
            server = await self._postgres()
            url = await create_database(server.url(), name=DATABASE_NAME)
            oracle_url = await create_role(url, ORACLE_ROLE)
            options = ["--oracle-role", ORACLE_ROLE]
            self.say("PostgreSQL is up")
        migrating = self._service("billcoin-indexer", "migrate", {"DATABASE_URL": url}, *options)
        await run_to_end(migrating)
        self.say("the database is migrated")
        return url, oracle_url

    async def chain(self) -> Manifest:
        """A chain with the contracts: the ones that the environment names, else our own."""
        node_url = os.environ.get("BILLCOIN_NODE_HTTP_URL")
        if node_url and os.environ.get("BILLCOIN_TOKEN_ADDRESS"):
            return read_manifest(os.environ)
        ws_url = os.environ.get("BILLCOIN_NODE_WS_URL", "")
        if not node_url:
            chain = await self.exits.enter_async_context(
                anvil(
                    block_time_seconds=BLOCK_TIME_SECONDS,
                    slots_in_an_epoch=SLOTS_IN_AN_EPOCH,
                    port=self.options.node_port or 0,
                    log_path=self.folder / "anvil.log",
                )
            )
            self.processes.append(chain.process)
            node_url, ws_url = chain.http_url, chain.ws_url
            self.say("the chain is up")
        async with open_node(node_url) as node:
            manifest = await deploy(
                node,
                dev_account(DEPLOYER_INDEX),
                chain_id=DEFAULT_CHAIN_ID,
                treasury=address_of(dev_account(TREASURY_INDEX)),
                node_ws_url=ws_url,
                economy=economy_accounts(),
                attestation_signers=[attestation_signer(self.folder)],
            )
            self.relayer = await make_relayer(
                node, dev_account(DEPLOYER_INDEX), self.folder, chain_id=DEFAULT_CHAIN_ID
            )
        self.deployed = manifest
        self.say("the contracts are deployed")
        return manifest

    async def let_economy_in(self) -> None:
        """Approve and appoint whom our own milk economy needs; somebody else's is his."""
        manifest = self.deployed
        if manifest is None or manifest.economy is None:
            return
        async with open_node(manifest.node_http_url) as node:
            await open_economy(
                node,
                manifest.economy,
                economy_accounts(),
                chain_id=manifest.deployment.chain_id,
                token=manifest.deployment.token,
            )
        self.say("dairy, sensors, supplier and price reporters are approved")

    def _service(
        self, name: str, command: str, variables: dict[str, str], *options: str
    ) -> LeashedProcess:
        return start_service(name, [command, *options], logs=self.folder, variables=variables)

    def services(self, variables: dict[str, str], oracle_database_url: str) -> None:
        """Start indexer and oracle."""
        self._keep(self._service("billcoin-indexer", "run", variables))
        own = {"DATABASE_URL": oracle_database_url}
        self._keep(self._service("billcoin-oracle", "serve", variables | own))

    def jobs(self, variables: dict[str, str], oracle_database_url: str) -> None:
        """Start what nobody waits for; it would take the processor from the others."""
        own = {"DATABASE_URL": oracle_database_url}
        self._keep(self._service("billcoin-oracle", "jobs", variables | own))


def _variables(manifest: Manifest, database_url: str, oracle_port: int) -> dict[str, str]:
    """The environment of both services, by the names in their settings."""
    return {
        **manifest.variables(),
        "DATABASE_URL": database_url,
        "BILLCOIN_BLOCK_TIME_SECONDS": f"{BLOCK_TIME_SECONDS:g}",
        "BILLCOIN_ACCESS": "open",
        "BILLCOIN_ORACLE_HOST": LOOPBACK,
        "BILLCOIN_ORACLE_PORT": str(oracle_port),
        "BILLCOIN_RATE_MYR_PER_BILL": os.environ.get(
            "BILLCOIN_RATE_MYR_PER_BILL", DEFAULT_RATE_MYR_PER_BILL
        ),
    }


async def _wait_until_ready(url: str, say: Callable[[str], None]) -> None:
    try:
        async with open_oracle(url) as oracle, asyncio.timeout(_READY_TIMEOUT_SECONDS):
            while not await oracle.is_ready():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(_READY_POLL_SECONDS)
    except TimeoutError as error:
        raise TransientError(f"the oracle at {url} did not become ready in time") from error
    say("indexer and oracle are ready")


def _require_tools() -> None:
    """Say what is missing before anything is started."""
    for script in ("billcoin-indexer", "billcoin-oracle"):
        console_script(script)
    if not os.environ.get("BILLCOIN_NODE_HTTP_URL"):
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
    _require_tools()
    async with AsyncExitStack() as exits:
        starter = _Starter(folder, options, exits, say)
        manifest, databases = await both(starter.chain(), starter.database())
        database_url, oracle_database_url = databases
        port = options.oracle_port or free_port()
        variables = _variables(manifest, database_url, port)
        if starter.deployed is not None:
            variables[KEYS_VARIABLE] = str(folder / KEYS_NAME)
        variables |= starter.relayer
        variables |= webhook_variables(folder)
        write_manifest(folder, variables)
        starter.services(variables, oracle_database_url)
        oracle_url = f"http://{LOOPBACK}:{port}"
        coming_up = attended(_wait_until_ready(oracle_url, say), watch(starter.processes))
        await both(coming_up, both(meanwhile(manifest), starter.let_economy_in()))
        starter.jobs(variables, oracle_database_url)
        yield Stack(manifest, oracle_url, variables, tuple(starter.processes))
