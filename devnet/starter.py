"""Starts the parts of a stack one by one; what was started is ended in the opposite order."""

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from devnet.accounts import Accounts, load_accounts, make_accounts, make_office
from devnet.anvil import DEFAULT_CHAIN_ID
from devnet.attestation_key import KEYS_NAME, KEYS_VARIABLE, attestation_signer
from devnet.databases import create_role, ensure_database
from devnet.deploy import deploy
from devnet.dev_accounts import (
    DEPLOYER_INDEX,
    TREASURY_INDEX,
    dev_account,
    economy_accounts,
)
from devnet.economy import PRICE_STALE_AFTER_SECONDS, open_economy
from devnet.manifest import Manifest, read_manifest
from devnet.node import Node, open_node
from devnet.oracle_client import SignIn
from devnet.postgres import PostgresServer, start_postgres
from devnet.process import LeashedProcess
from devnet.relayer_key import make_relayer
from devnet.running_chain import (
    ChainNode,
    ChainOpener,
    RunningChain,
    simulated_chain,
)
from devnet.services import run_to_end, start_service
from devnet.transactions import address_of
from ledger.errors import RejectedError
from ledger.json_hex import to_hex

DATABASE_NAME = "billcoin"
ORACLE_ROLE = "billcoin_oracle"
_PRICE_AGE = "BILLCOIN_RATE_MAX_AGE_SECONDS"

Office = asyncio.Task[SignIn]
"""The first account, while it is being made."""


@dataclass(frozen=True)
class StackOptions:
    """Ports of the three servers, None takes a free one; and what is to be kept or taken over."""

    oracle_port: int | None = None
    node_port: int | None = None
    database_port: int | None = None
    open_chain: ChainOpener | None = None
    """The chain; by default the environment's node, else anvil."""
    database_home: Path | None = None
    """Where the database's data stays; by default it goes away with the server."""
    keys_home: Path | None = None
    """Where the oracle's keys stay; by default in the run's folder."""
    deployed: Manifest | None = None
    """The contracts that the chain is known to have."""
    price_age_seconds: int | None = None
    """How old a price standing orders and new orders take; None leaves each its own default."""


class Starter:
    """Starts the parts; what it started, the exit stack ends in the opposite order."""

    def __init__(
        self, folder: Path, options: StackOptions, exits: AsyncExitStack, say: Callable[[str], None]
    ) -> None:
        self.folder, self.options, self.exits, self.say = folder, options, exits, say
        self.processes: list[LeashedProcess] = []
        self.deployed: Manifest | None = None
        self.keys = options.keys_home or folder
        age = options.price_age_seconds
        self.own_variables = {} if age is None else {_PRICE_AGE: str(age)}
        self.running_chain: RunningChain | None = None
        # In somebody else's database our names may be taken.
        self.suffix = f"-{secrets.token_hex(2)}" if os.environ.get("DATABASE_URL") else ""

    def _keep(self, process: LeashedProcess) -> LeashedProcess:
        self.processes.append(process)
        self.exits.push_async_callback(asyncio.to_thread, process.stop)
        return process

    async def _postgres(self) -> PostgresServer:
        """Start a server; one whose start is interrupted is stopped as soon as it can be."""
        starting = asyncio.ensure_future(
            asyncio.to_thread(
                start_postgres,
                home=self.options.database_home,
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

    async def database(self) -> tuple[str, str, Office | None]:
        """A migrated database: the one that `DATABASE_URL` names, else a new one of our own.

        Its URL for the indexer, and for the oracle, which has a role of its own in our own one;
        and the office, unless it has been made in an earlier run.
        """
        url = oracle_url = os.environ.get("DATABASE_URL") or ""
        options: list[str] = []
        if not url:
            server = await self._postgres()
            url = await ensure_database(server.url(), DATABASE_NAME)
            oracle_url = await create_role(url, ORACLE_ROLE)
            options = ["--oracle-role", ORACLE_ROLE]
            self.say("PostgreSQL is up")
        migrating = self._service("billcoin-indexer", "migrate", {"DATABASE_URL": url}, *options)
        await run_to_end(migrating)
        self.say("the database is migrated")
        return url, oracle_url, self._office(oracle_url)

    def _office(self, oracle_database_url: str) -> Office | None:
        """Make it while the chain's blocks are waited for; the oracle comes up later anyhow."""
        if load_accounts(self.keys) is not None:
            return None
        own = {"DATABASE_URL": oracle_database_url}
        office = asyncio.create_task(make_office(own, suffix=self.suffix))
        self.exits.push_async_callback(_end, office)
        return office

    async def accounts(self, oracle_url: str, office: Office | None) -> Accounts:
        """Everybody's accounts: those of an earlier run, or let the office make them."""
        accounts = load_accounts(self.keys)
        if accounts is None:
            if office is None:
                raise RejectedError("accounts_lost", f"{self.keys} was deleted meanwhile")
            accounts = await make_accounts(oracle_url, await office, suffix=self.suffix)
            accounts.save(self.keys)
            self.say("till, finance, student and partner have accounts")
        return accounts

    async def chain(self) -> Manifest:
        """A chain with the contracts: the ones that the environment names, else our own."""
        node_url = os.environ.get("BILLCOIN_NODE_HTTP_URL")
        if self.options.open_chain is None and node_url:
            ws_url = os.environ.get("BILLCOIN_NODE_WS_URL", "")
            if os.environ.get("BILLCOIN_TOKEN_ADDRESS"):
                return read_manifest(os.environ)
            return await self._contracts(ChainNode(node_url, ws_url))
        open_chain = self.options.open_chain or simulated_chain(port=self.options.node_port)
        chain = await self.exits.enter_async_context(open_chain(self.folder, self.say))
        self.processes += chain.processes
        self.running_chain = chain
        self.say("the chain is up")
        return await self._contracts(chain.nodes[0])

    async def _contracts(self, on: ChainNode) -> Manifest:
        """Those that are known to be there, else new ones."""
        known = self.options.deployed
        async with open_node(on.http_url) as node:
            if known is not None:
                await _require_token(node, known)
                await self._oracle_keys(node)
                return replace(known, node_http_url=on.http_url, node_ws_url=on.ws_url)
            manifest = await deploy(
                node,
                dev_account(DEPLOYER_INDEX),
                chain_id=DEFAULT_CHAIN_ID,
                treasury=address_of(dev_account(TREASURY_INDEX)),
                node_ws_url=on.ws_url,
                economy=economy_accounts(),
                attestation_signers=[attestation_signer(self.keys)],
                price_age_seconds=self.options.price_age_seconds or PRICE_STALE_AFTER_SECONDS,
            )
            await self._oracle_keys(node)
        self.deployed = manifest
        self.say("the contracts are deployed")
        return manifest

    async def _oracle_keys(self, node: Node) -> None:
        """What the oracle signs with on a chain of ours: attestations, and others' transactions."""
        self.own_variables |= {KEYS_VARIABLE: str(self.keys / KEYS_NAME)}
        self.own_variables |= await make_relayer(
            node, dev_account(DEPLOYER_INDEX), self.keys, chain_id=DEFAULT_CHAIN_ID
        )

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


async def _require_token(node: Node, known: Manifest) -> None:
    """Refuse a chain that is not the one that the contracts were put on.

    Raises:
        RejectedError: `chain_lost`.
    """
    token = to_hex(known.deployment.token)
    if await node.call("eth_getCode", token, "latest") == "0x":
        raise RejectedError(
            "chain_lost",
            f"there is no token at {token} any more: the chain has lost what the ledger knows; "
            "`billcoin-devnet reset` begins anew",
        )


async def _end(office: Office) -> None:
    office.cancel()
    await asyncio.gather(office, return_exceptions=True)
