"""A shop with everything real behind it: chain, PostgreSQL, indexer, oracle, a student's wallet."""

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from people import CONTACT, OFFICE, Person, make_accounts
from prometheus_client.parser import text_string_to_metric_families

from devnet import token_calls
from devnet.anvil import anvil
from devnet.databases import fresh_database
from devnet.deploy import deploy
from devnet.dev_accounts import DEPLOYER_INDEX, TREASURY_INDEX, dev_account
from devnet.faucet import give
from devnet.manifest import Manifest, write_manifest
from devnet.node import Node, open_node
from devnet.ports import LOOPBACK, free_port
from devnet.process import LeashedProcess
from devnet.services import console_script, run_to_end, start_service
from devnet.transactions import Message, address_of, send
from ledger.payment_uri import parse_address
from ledger.units import Units, parse_bill
from oracle_api.access.token_keys import add_key

PATIENCE_SECONDS = 60.0
WALLET = "student"


@dataclass
class Shop:
    """What runs, and what a student or a chain can do to it; `http` asks as the office."""

    node: Node
    manifest: Manifest
    folder: Path
    variables: dict[str, str]
    url: str
    http: aiohttp.ClientSession
    oracle: LeashedProcess | None = None
    started: list[LeashedProcess] = field(default_factory=list)
    stopped: list[LeashedProcess] = field(default_factory=list)

    def start(self, name: str, command: str) -> LeashedProcess:
        process = start_service(name, [command], logs=self.folder, variables=self.variables)
        self.started.append(process)
        return process

    async def start_oracle(self) -> None:
        """Start the oracle, always at the same port, and wait until it answers."""
        self.oracle = self.start("billcoin-oracle", "serve")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._is_ready():
                for process in self.started[1:]:
                    if process not in self.stopped:
                        process.require_running()
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        try:
            async with self.http.get(f"{self.url}/readyz") as answer:
                # The chain stands still between payments, which makes its tip old in time.
                code = (await answer.json()).get("code")
                return answer.status == 200 or code == "chain_stalled"
        except aiohttp.ClientError:
            return False

    async def stop_oracle(self) -> None:
        assert self.oracle is not None
        await self.require_announced()
        self.stopped.append(self.oracle)
        await asyncio.to_thread(self.oracle.stop)

    async def require_announced(self) -> None:
        """Make sure that no operation has answered what its document does not announce."""
        async with self.http.get(f"{self.url}/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        async with self.http.get(f"{self.url}/metrics") as answer:
            families = list(text_string_to_metric_families(await answer.text()))
        (counted,) = (one for one in families if one.name == "billcoin_http_requests")
        told = [one.labels for one in counted.samples if one.name.endswith("_total")]
        assert told
        for labels in told:
            operation = paths.get(labels["route"], {}).get(labels["method"].lower())
            assert operation is None or labels["status"] in operation["responses"], labels

    async def token_of(self, person: Person) -> str:
        """An access token, as a program of that person's would get it."""
        grant = {"grant_type": "password", "username": person.name, "password": person.password}
        async with self.http.post(f"{self.url}/api/v1/tokens", json=grant) as answer:
            granted: dict[str, Any] = await answer.json()
            assert answer.status == 200, granted
            return str(granted["access_token"])

    async def order(self, **request: Any) -> dict[str, Any]:
        """Make an order as another till would."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        path = f"{self.url}/api/v1/orders"
        async with self.http.post(path, json=request, headers=headers) as answer:
            made: dict[str, Any] = await answer.json()
            assert answer.status == 201, made
            return made

    async def orders(self) -> list[dict[str, Any]]:
        """The open orders, newest first."""
        async with self.http.get(f"{self.url}/api/v1/orders?limit=100") as answer:
            found: list[dict[str, Any]] = (await answer.json())["data"]
            return found

    async def wallet(self, *arguments: str) -> dict[str, Any]:
        """The reference wallet, as a student's command line."""
        process = await asyncio.create_subprocess_exec(
            console_script("billcoin-devnet"),
            *("wallet", *arguments, "--name", WALLET, "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "BILLCOIN_HOME": str(self.folder),
                "BILLCOIN_WALLET_PASSWORD": "milk",
            },
        )
        out, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        answer: dict[str, Any] = json.loads(out)
        return answer

    async def pay(self, uri: str) -> dict[str, Any]:
        """Pay what a QR code says."""
        return await self.wallet("pay", uri, "--yes")

    async def transfer(self, order: dict[str, Any], bill: str) -> None:
        """Send any amount to an order's address, as a wallet of another kind could."""
        recipient = parse_address(order["orderAddress"], param="orderAddress")
        await send(
            self.node,
            dev_account(DEPLOYER_INDEX),
            Message(
                self.manifest.deployment.token, token_calls.transfer(recipient, parse_bill(bill))
            ),
            chain_id=self.manifest.deployment.chain_id,
        )

    async def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by as many empty ones."""
        await self.node.call("anvil_reorg", depth, [])

    async def mine(self, blocks: int) -> None:
        await self.node.call("anvil_mine", hex(blocks))


async def _open_wallet(shop: Shop) -> None:
    wallet = await shop.wallet("new")
    deployer = dev_account(DEPLOYER_INDEX)
    for account in (address_of(deployer), parse_address(wallet["address"], param="address")):
        await give(
            shop.node,
            deployer,
            account,
            deployment=shop.manifest.deployment,
            units=Units(parse_bill("1000")),
            gas_wei=0 if account == address_of(deployer) else 10**18,
        )


@contextlib.asynccontextmanager
async def open_shop(postgres_url: str, folder: Path) -> AsyncIterator[Shop]:
    """A shop for the length of the block, on a chain that makes a block for each transaction."""
    port = free_port()
    async with (
        fresh_database(postgres_url) as database_url,
        anvil() as chain,
        open_node(chain.http_url) as node,
        aiohttp.ClientSession() as http,
    ):
        manifest = await deploy(
            node,
            dev_account(DEPLOYER_INDEX),
            chain_id=chain.chain_id,
            treasury=address_of(dev_account(TREASURY_INDEX)),
            node_ws_url=chain.ws_url,
        )
        variables = manifest.variables() | {
            "DATABASE_URL": database_url,
            "BILLCOIN_BLOCK_TIME_SECONDS": "1",
            "BILLCOIN_ORACLE_PORT": str(port),
            "BILLCOIN_OFFICE_CONTACT": CONTACT,
            # Tests ask more often than people.
            "BILLCOIN_TILL_ATTEMPTS_PER_MINUTE": "100000",
            # So that who is signed in stays so when the oracle is started anew.
            "BILLCOIN_TOKEN_KEYS_FILE": str(folder / "token-keys.json"),
        }
        add_key(folder / "token-keys.json")
        write_manifest(folder, variables)
        shop = Shop(node, manifest, folder, variables, f"http://{LOOPBACK}:{port}", http)
        await run_to_end(shop.start("billcoin-indexer", "migrate"))
        try:
            shop.start("billcoin-indexer", "run")
            await asyncio.gather(
                shop.start_oracle(), _open_wallet(shop), make_accounts(database_url)
            )
            office = {"Authorization": f"Bearer {await shop.token_of(OFFICE)}"}
            async with aiohttp.ClientSession(headers=office) as shop.http:
                yield shop
                if shop.oracle not in shop.stopped:
                    await shop.require_announced()
        finally:
            for process in reversed(shop.started):
                await asyncio.to_thread(process.stop)
