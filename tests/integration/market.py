"""A merchant, a payer and their chain, for tests that sell milk without an oracle."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from devnet import token_calls
from devnet.anvil import Chain, anvil
from devnet.deploy import deploy
from devnet.dev_accounts import (
    DEPLOYER_INDEX,
    TREASURY_INDEX,
    dev_account,
    economy_accounts,
)
from devnet.economy import open_economy
from devnet.manifest import Manifest
from devnet.node import Node, open_node
from devnet.transactions import Message, address_of, send
from indexer.lead import lead_forever
from indexer.settings import IndexerSettings
from ledger.chain import BlockRef
from ledger.ids import sortable_id
from ledger.journal import Event
from ledger.order import Finality, Status
from ledger.order_address import order_address, order_key
from ledger.store.orders import NewOrder, StoredOrder, insert_order, read_order_by_id
from ledger.store.pool import Connection, connect
from ledger.units import Sen, Units

BILL = 10**18
PATIENCE_SECONDS = 30.0


@dataclass
class Market:
    """One chain, one ledger, and the accounts of the mnemonic that everybody knows."""

    chain: Chain
    node: Node
    manifest: Manifest
    database_url: str
    ledger: Connection
    order_ids: list[str] = field(default_factory=list)

    def environment(self, *, ws: bool = True) -> dict[str, str]:
        variables = self.manifest.variables() | {
            "DATABASE_URL": self.database_url,
            "BILLCOIN_BLOCK_TIME_SECONDS": "0.5",
        }
        if not ws:
            del variables["BILLCOIN_NODE_WS_URL"]
        return variables

    def settings(self, *, ws: bool = True) -> IndexerSettings:
        names = {
            name.removeprefix("BILLCOIN_").lower(): value
            for name, value in self.environment(ws=ws).items()
            if name != "DATABASE_URL"
        }
        return IndexerSettings(DATABASE_URL=self.database_url, **names)

    async def order(
        self,
        *,
        due: int = BILL,
        lives_seconds: int = 3600,
        finality: Finality = Finality.INCLUDED,
        customer: bytes | None = None,
    ) -> StoredOrder:
        """Write an order as the oracle would."""
        order_id = sortable_id(
            "ord", unix_milliseconds=time.time_ns() // 10**6, randomness=os.urandom(10)
        )
        now = datetime.now(UTC)
        deployment = self.manifest.deployment
        new = NewOrder(
            id=order_id,
            chain_id=deployment.chain_id,
            store_id="cafeteria",
            reference=None,
            items=[],
            amount_myr=Sen(180),
            rate_myr_per_bill=Decimal("7.20"),
            amount_due=Units(due),
            address=order_address(
                factory=deployment.vault_factory,
                implementation=deployment.vault_implementation,
                treasury=deployment.treasury,
                order_key=order_key(order_id),
            ),
            required_finality=finality,
            created_at=now,
            expires_at=int(now.timestamp()) + lives_seconds,
            customer=customer,
        )
        async with self.ledger.transaction():
            await insert_order(
                self.ledger, new, event=Event("order.created", order_id, {}), now=now
            )
        return await self.read(order_id)

    async def read(self, order_id: str) -> StoredOrder:
        found = await read_order_by_id(self.ledger, order_id)
        assert found is not None
        return found

    async def until(self, order_id: str, status: Status) -> StoredOrder:
        """Wait until an order has this status."""

        async def reached() -> bool:
            return (await self.read(order_id)).status is status

        await wait_for(reached, f"order {status}")
        return await self.read(order_id)

    async def until_tip(self, number: int | None = None) -> int:
        """Wait until the ledger stands on the node's head (or on `number`)."""
        wanted = await self.head_number() if number is None else number

        async def reached() -> bool:
            tip = await self.ledger.fetchval("SELECT tip_number FROM chain")
            return tip is not None and tip >= wanted

        await wait_for(reached, f"tip {wanted}")
        return wanted

    async def event_types(self, order_id: str) -> list[str]:
        rows = await self.ledger.fetch(
            "SELECT type FROM event WHERE order_id = $1 ORDER BY seq", order_id
        )
        return [row["type"] for row in rows]

    async def head_number(self) -> int:
        return await self.node.quantity("eth_blockNumber")

    async def mint(self, recipient: bytes, units: int) -> bytes:
        return await self._send(DEPLOYER_INDEX, token_calls.mint(recipient, Units(units)))

    async def pay(self, recipient: bytes, units: int, *, payer: int = DEPLOYER_INDEX) -> bytes:
        """Transfer BILL, in a block of its own."""
        return await self._send(payer, token_calls.transfer(recipient, Units(units)))

    async def mine(self, count: int = 1) -> None:
        for _ in range(count):
            await self.node.call("evm_mine")

    async def reorg(self, depth: int) -> None:
        """Replace the last `depth` blocks by as many empty ones."""
        await self.node.call("anvil_reorg", depth, [])

    async def _send(self, sender: int, data: bytes) -> bytes:
        """Send it and wait for its block, which the node makes after it has answered."""
        tx_hash = await send(
            self.node,
            dev_account(sender),
            Message(self.manifest.deployment.token, data),
            chain_id=self.manifest.deployment.chain_id,
        )
        await self.node.receipt(tx_hash)
        return tx_hash


async def only_node_has_it(_block: BlockRef) -> bool:
    """What a quorum of one says of whatever that one node told."""
    return True


async def wait_for(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Look again and again until the condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def open_market(
    database_url: str, *, economy: bool = False, attestation_signers: Sequence[bytes] = ()
) -> AsyncIterator[Market]:
    """A fresh chain with the contracts on it; the deployer has 1,000,000 BILL.

    With `economy` the milk economy is there too, open, and followed by the indexer.
    With `attestation_signers` there is a verifier that trusts them.
    """
    accounts = economy_accounts() if economy else None
    async with anvil(slots_in_an_epoch=2) as chain, open_node(chain.http_url) as node:
        manifest = await deploy(
            node,
            dev_account(DEPLOYER_INDEX),
            chain_id=chain.chain_id,
            treasury=address_of(dev_account(TREASURY_INDEX)),
            node_ws_url=chain.ws_url,
            economy=accounts,
            attestation_signers=attestation_signers,
        )
        if accounts is not None and manifest.economy is not None:
            await open_economy(
                node,
                manifest.economy,
                accounts,
                chain_id=chain.chain_id,
                token=manifest.deployment.token,
            )
        ledger = await connect(database_url, application_name="test")
        market = Market(chain, node, manifest, database_url, ledger)
        await market.mint(address_of(dev_account(DEPLOYER_INDEX)), 10**6 * BILL)
        try:
            yield market
        finally:
            await ledger.close()


@contextlib.asynccontextmanager
async def indexing(market: Market, *, ws: bool = True) -> AsyncIterator[None]:
    """An indexer in this process, for the length of the block."""
    task = asyncio.create_task(lead_forever(market.settings(ws=ws)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
