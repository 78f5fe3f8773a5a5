"""The stack that is measured: durable Postgres, a chain that mines on request, both services."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from contracts.signing import LocalAccount
from devnet import token_calls
from devnet.anvil import anvil
from devnet.databases import create_database
from devnet.deploy import deploy
from devnet.dev_accounts import DEPLOYER_INDEX, TREASURY_INDEX, dev_account
from devnet.manifest import Manifest
from devnet.node import Node, open_node
from devnet.oracle_client import open_oracle
from devnet.ports import LOOPBACK, free_port
from devnet.postgres import start_postgres
from devnet.services import run_to_end, start_service
from devnet.transactions import address_of
from ledger.json_hex import to_hex
from ledger.units import Units

_GAS_LIMIT = 100_000
_MAX_FEE_WEI = 100 * 10**9
_READY_POLL_SECONDS = 0.05


@dataclass
class BenchStack:
    """What the benchmarks talk to; `nonce` is the sender's next one."""

    node: Node
    manifest: Manifest
    database_url: str
    oracle_url: str
    session: aiohttp.ClientSession
    sender: LocalAccount
    nonce: int

    def sign_transfer(self, recipient: bytes, units: int) -> str:
        """A signed transfer as raw transaction hex, with the next nonce."""
        data = token_calls.transfer(recipient, Units(units))
        return self.sign(self.manifest.deployment.token, data, gas_units=_GAS_LIMIT)

    def sign(self, to: bytes | None, data: bytes, *, gas_units: int) -> str:
        """A signed call, or with `to` None a deployment, with the next nonce."""
        call: dict[str, Any] = {
            "type": 2,
            "chainId": self.manifest.deployment.chain_id,
            "nonce": self.nonce,
            "data": data,
            "value": 0,
            "gas": gas_units,
            "maxFeePerGas": _MAX_FEE_WEI,
            "maxPriorityFeePerGas": 10**9,
        }
        signed = self.sender.sign_transaction(call | ({"to": to} if to else {}))
        self.nonce += 1
        return to_hex(bytes(signed.raw_transaction))

    async def order(self, key: str) -> tuple[str, bytes, int]:
        """Make an order at the oracle; gives its id, its address and the units due."""
        async with self.session.post(
            f"{self.oracle_url}/api/v1/orders",
            json={"items": [{"sku": "fresh-250ml", "quantity": 1}]},
            headers={"Idempotency-Key": key},
        ) as answer:
            answer.raise_for_status()
            order = await answer.json()
        return order["id"], bytes.fromhex(order["orderAddress"][2:]), int(order["amountDueUnits"])


@asynccontextmanager
async def in_haste(stack: BenchStack) -> AsyncIterator[None]:
    """Commits that need not last, for making what is to be measured; durable again afterwards.

    And statistics as autovacuum would have gathered them within a minute, without which the first
    plans of an empty database stay.
    """
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        await connection.execute("SELECT pg_reload_conf()")
        yield
    finally:
        await connection.execute("ALTER SYSTEM RESET synchronous_commit")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute("CHECKPOINT")
        await connection.execute("ANALYZE")
        await connection.close()


@asynccontextmanager
async def bench_stack() -> AsyncIterator[BenchStack]:
    """Everything as separate processes; the sender has a million BILL."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="billcoin-bench-")))
        server = await asyncio.to_thread(start_postgres, durable=True)
        exits.push_async_callback(asyncio.to_thread, server.process.stop)
        database_url = await create_database(server.url(), name="billcoin")
        chain = await exits.enter_async_context(anvil(slots_in_an_epoch=2))
        node = await exits.enter_async_context(open_node(chain.http_url))
        manifest = await deploy(
            node,
            dev_account(DEPLOYER_INDEX),
            chain_id=chain.chain_id,
            treasury=address_of(dev_account(TREASURY_INDEX)),
            node_ws_url=chain.ws_url,
        )
        port = free_port()
        variables = manifest.variables() | {
            "DATABASE_URL": database_url,
            "BILLCOIN_BLOCK_TIME_SECONDS": "1",
            "BILLCOIN_ACCESS": "open",
            "BILLCOIN_ORACLE_HOST": LOOPBACK,
            "BILLCOIN_ORACLE_PORT": str(port),
            "BILLCOIN_MAX_TIP_AGE_SECONDS": "3600",
        }
        await run_to_end(
            start_service("billcoin-indexer", ["migrate"], logs=folder, variables=variables)
        )
        for name, command in (("billcoin-indexer", "run"), ("billcoin-oracle", "serve")):
            service = start_service(name, [command], logs=folder, variables=variables)
            exits.push_async_callback(asyncio.to_thread, service.stop)
        session = await exits.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        oracle_url = f"http://{LOOPBACK}:{port}"
        await _until_ready(oracle_url)
        sender = dev_account(DEPLOYER_INDEX)
        nonce = await node.quantity("eth_getTransactionCount", sender.address, "pending")
        stack = BenchStack(node, manifest, database_url, oracle_url, session, sender, nonce)
        await _fund(stack)
        yield stack


async def fund(stack: BenchStack, holder: bytes) -> None:
    """A million BILL for somebody; takes effect with the next block."""
    mint = token_calls.mint(holder, Units(10**24))
    await stack.node.call(
        "eth_sendTransaction",
        {
            "from": stack.sender.address,
            "to": to_hex(stack.manifest.deployment.token),
            "data": to_hex(mint),
        },
    )
    stack.nonce += 1


async def _fund(stack: BenchStack) -> None:
    """A million BILL for the sender, and from now on blocks only when asked for."""
    await fund(stack, address_of(stack.sender))
    await stack.node.call("evm_setAutomine", False)  # noqa: FBT003 - a JSON-RPC parameter


async def _until_ready(oracle_url: str) -> None:
    async with open_oracle(oracle_url) as oracle, asyncio.timeout(60):
        while not await oracle.is_ready():  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(_READY_POLL_SECONDS)
