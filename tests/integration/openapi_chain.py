"""What is answered only where there is a chain: payments without gas, proofs, collections."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_account import Account
from market import BILL, indexing, open_market, wait_for
from openapi_claims import Claims, Operations, Pair, document_of
from oracle_support import served, until_journal_is_read
from relay_proxy import RelayProxy, Trouble, open_proxy
from relay_scene import SUBMIT, Scene, Wallet, new_wallet, watching
from test_economy_indexing import ACCOUNTS, attest
from test_standing_orders import PATH, Stage, keeping, settings_of
from test_x402 import PREFIX, message

from contracts import billcoin
from contracts.abi import call_data
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.transactions import Message, address_of, send
from ledger.units import UINT256_MAX

SHOW: Final = "/api/v1/payments/submissions/{submission_id}"
PAYMENT_PROOF: Final = "/api/v1/payments/{tx_hash}/proof"
BATCH_PROOF: Final = "/api/v1/batches/{batch_id}/proof"

ON_A_CHAIN: Final[frozenset[Pair]] = frozenset(
    {
        *(("POST", SUBMIT, status) for status in (202, 400, 404, 409, 429, 503)),
        ("GET", SHOW, 200),
        ("GET", f"{PREFIX}/supported", 200),
        *(("POST", f"{PREFIX}/verify", status) for status in (200, 400, 503)),
        *(("POST", f"{PREFIX}/settle", status) for status in (200, 400, 503)),
        ("GET", PAYMENT_PROOF, 200),
        ("GET", BATCH_PROOF, 200),
        ("GET", PATH, 200),
        ("GET", PATH + "/{standing_order_id}", 200),
        ("POST", PATH, 201),
    }
)
"""The answers that are provoked here."""


@dataclass
class ChainStage:
    """A chain with the milk economy on it, an oracle with a relay, a keeper, and wallets."""

    scene: Scene
    keeper: Stage
    operations: Operations
    proxy: RelayProxy

    async def expect(self, method: str, path: str, status: int, **more: Any) -> Any:
        return await self.operations.expect(self.scene.client, method, path, status, **more)

    async def proof(self, path: str, at: dict[str, str]) -> None:
        """A proof, as soon as the indexer has made it."""

        async def is_made() -> bool:
            return (await self.scene.client.call("GET", path.format(**at)))[0] == 200

        await wait_for(is_made, "the proof")
        await self.expect("GET", path, 200, at=at)


@contextlib.asynccontextmanager
async def open_chain(database_url: str, folder: Path, claims: Claims) -> AsyncIterator[ChainStage]:
    """Everything, running; a wallet gets gas for one payment a day."""
    async with (
        open_market(database_url, economy=True) as market,
        indexing(market),
        open_proxy() as proxy,
    ):
        proxy.target = market.chain.http_url
        settings = settings_of(
            market, folder, relayer_node_url=proxy.url, relayer_payer_daily_limit=1
        )
        await market.until_tip()
        economy = market.manifest.economy
        assert economy is not None
        async with keeping(settings) as context, served(settings) as client, watching(settings):
            await until_journal_is_read(client)
            wallet = await new_wallet(market)
            payer = Account.from_key(secrets.token_bytes(32))
            keeper = Stage(market, client, context, payer, economy.standing_orders)
            scene = Scene(market, client, wallet, settings, folder)
            operations = Operations(await document_of(client), claims)
            yield ChainStage(scene, keeper, operations, proxy)


async def chain_answers(stage: ChainStage) -> None:
    """Each of them."""
    paid = await without_gas(stage)
    await stage.proof(PAYMENT_PROOF, {"tx_hash": paid})
    await facilitated(stage)
    batch = await attest(stage.scene.market, 300)
    dairy = address_of(ACCOUNTS.dairy).hex()
    await stage.proof(BATCH_PROOF, {"batch_id": f"bat_{dairy}_{batch.hex()}"})
    await standing(stage)


async def without_gas(stage: ChainStage) -> str:
    """Submissions; returns the transaction that paid."""
    scene = stage.scene
    order, other = await scene.client.order(), await scene.client.order()
    body = scene.sign(order)
    await stage.expect("POST", SUBMIT, 400, json=body | {"signature": "0x" + "11" * 65})
    await stage.expect("POST", SUBMIT, 404, json=body | {"orderId": "ord_" + "0" * 26})
    second = scene.sign(order, wallet=await rich(stage))
    async with scene.without_mining():
        made = await stage.expect("POST", SUBMIT, 202, json=body, without="Prefer")
        await stage.expect("POST", SUBMIT, 409, json=second)
    shown = await scene.until(made["relayId"], "included", landedBy="relayer")
    at = {"submission_id": made["relayId"]}
    await stage.expect("GET", SHOW, 200, at=at)
    await stage.expect("POST", SUBMIT, 429, json=scene.sign(other))
    stage.proxy.make(Trouble.IS_AWAY)
    refused = scene.sign(other, wallet=await rich(stage))
    await stage.expect("POST", SUBMIT, 503, json=refused)
    stage.proxy.make(Trouble.NONE)
    return str(shown["txHash"])


async def rich(stage: ChainStage) -> Wallet:
    """A wallet that nobody has paid gas for today."""
    return await new_wallet(stage.scene.market)


async def facilitated(stage: ChainStage) -> None:
    """The same in the words of x402."""
    scene = stage.scene
    await stage.expect("GET", f"{PREFIX}/supported", 200)
    order = await scene.client.order()
    body = message(order, scene.sign(order, wallet=await rich(stage)))
    for verb in ("verify", "settle"):
        path = f"{PREFIX}/{verb}"
        await stage.expect("POST", path, 400, json={"x402Version": 2})
        stage.proxy.make(Trouble.IS_AWAY)
        await stage.expect("POST", path, 503, json=body)
        stage.proxy.make(Trouble.NONE)
        await stage.expect("POST", path, 200, json=body)


async def standing(stage: ChainStage) -> None:
    """A standing order that is registered, and collected once."""
    keeper, market = stage.keeper, stage.scene.market
    await market.mint(address_of(keeper.payer), 100 * BILL)
    gas = Message(address_of(keeper.payer), value_wei=10**18)
    chain_id = market.chain.chain_id
    sent = await send(market.node, dev_account(DEPLOYER_INDEX), gas, chain_id=chain_id)
    await market.node.receipt(sent)
    allowance = call_data(billcoin.artifact(), "approve", keeper.contract, UINT256_MAX)
    await keeper.call(market.manifest.deployment.token, allowance, keeper.payer)
    made = await stage.expect("POST", PATH, 201, json=keeper.body(keeper.order()))

    async def is_collected() -> bool:
        """After one run of the keeper, or another where the ledger had not come so far."""
        await keeper.keep()
        return (await keeper.read(made["id"]))["status"] == "collected"

    await wait_for(is_collected, "the collection")
    await stage.expect("GET", PATH, 200)
    at = {"standing_order_id": made["id"]}
    await stage.expect("GET", PATH + "/{standing_order_id}", 200, at=at)
