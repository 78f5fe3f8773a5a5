"""The milk economy that a devnet is given: deployed in one block, then everybody is let in."""

from datetime import UTC, datetime
from typing import Any

from contracts import billcoin, milk_market, milk_price_feed, minting_module, standing_orders
from contracts.abi import call_data
from contracts.artifact import Artifact
from devnet.anvil import anvil
from devnet.deploy import deploy
from devnet.dev_accounts import DEPLOYER_INDEX, TREASURY_INDEX, dev_account, economy_accounts
from devnet.economy import FIRST_PRICE, YEARLY_QUOTA, open_economy
from devnet.manifest import Manifest, read_manifest
from devnet.node import Node, open_node
from devnet.transactions import address_of

ACCOUNTS = economy_accounts()
FAUCET = address_of(dev_account(DEPLOYER_INDEX))
YES = 1


async def test_all_is_deployed_in_one_block_and_everybody_is_let_in() -> None:
    async with anvil(block_time_seconds=1.0) as chain, open_node(chain.http_url) as node:
        manifest = await deploy(
            node,
            dev_account(DEPLOYER_INDEX),
            chain_id=chain.chain_id,
            treasury=address_of(dev_account(TREASURY_INDEX)),
            node_ws_url=chain.ws_url,
            economy=ACCOUNTS,
        )
        assert await node.quantity("eth_blockNumber") == manifest.start_block
        assert read_manifest(manifest.variables()) == manifest
        assert manifest.economy is not None
        token = manifest.deployment.token
        await open_economy(node, manifest.economy, ACCOUNTS, chain_id=chain.chain_id, token=token)
        await _check_parts(node, manifest)


async def _check_parts(node: Node, manifest: Manifest) -> None:
    economy, token = manifest.economy, manifest.deployment.token
    assert economy is not None
    bill, module = billcoin.artifact(), minting_module.artifact()
    mint, dairy = economy.minting_module, address_of(ACCOUNTS.dairy)
    supplier = address_of(ACCOUNTS.supplier)
    year = datetime.fromtimestamp(int((await node.head())["timestamp"], 16), UTC).year
    calls: list[tuple[bytes, Artifact, str, tuple[Any, ...], int]] = [
        (token, bill, "is_minter", (mint,), YES),
        # The faucet goes on minting, for nothing here is worth anything.
        (token, bill, "is_minter", (FAUCET,), YES),
        (mint, module, "is_dairy", (dairy,), YES),
        (mint, module, "quota_litres", (dairy, year), YEARLY_QUOTA),
        (economy.milk_market, milk_market.artifact(), "supplier_kind", (supplier,), 1),
        (economy.standing_orders, standing_orders.artifact(), "BILL", (), int.from_bytes(token)),
    ]
    calls += [
        (mint, module, "sensor_dairy", (address_of(sensor),), int.from_bytes(dairy))
        for sensor in ACCOUNTS.sensors
    ]
    for contract, artifact, function, arguments, expected in calls:
        answer = await node.read_contract(contract, call_data(artifact, function, *arguments))
        assert int.from_bytes(answer) == expected, function
    latest = call_data(milk_price_feed.artifact(), "latestRoundData")
    price = (await node.read_contract(economy.milk_price_feed, latest))[32:64]
    assert int.from_bytes(price) == FIRST_PRICE
