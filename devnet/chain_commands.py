"""`billcoin-devnet deploy` and `faucet`: set up a chain and hand out its money."""

import asyncio
from typing import Annotated

import typer

from devnet.anvil import DEFAULT_CHAIN_ID
from devnet.console import say_result
from devnet.deploy import deploy as deploy_contracts
from devnet.dev_accounts import (
    DEPLOYER_INDEX,
    TREASURY_INDEX,
    dev_account,
    economy_accounts,
    require_throwaway_chain,
)
from devnet.economy import open_economy
from devnet.faucet import give
from devnet.home import make_private, state_home
from devnet.manifest import Manifest, load_manifest, write_manifest
from devnet.node import open_node
from devnet.parts import actor
from devnet.transactions import address_of
from devnet.wallet_commands import Json
from ledger.json_hex import to_hex
from ledger.payment_uri import parse_address
from ledger.units import parse_bill, parse_decimal

Signer = Annotated[
    str | None,
    typer.Option("--wallet", help="Sign with this wallet; by default the devnet's first account."),
]


def faucet(
    address: Annotated[str, typer.Argument(help="Who gets it, 0x...")],
    *,
    bill: Annotated[str, typer.Option(help="How much BILL to mint.")] = "10",
    gas: Annotated[str, typer.Option(help="How much of the chain's coin to send.")] = "1",
    wallet: Signer = None,
    as_json: Json = False,
) -> None:
    """Give an address BILL (minted) and coin for gas."""
    recipient = parse_address(address, param="address")
    units = parse_bill(bill, param="bill")
    gas_wei = parse_decimal(gas, decimals=18, param="gas")
    manifest = load_manifest(state_home())
    minter = actor(wallet, dev_account(DEPLOYER_INDEX), manifest.deployment.chain_id)

    async def run() -> list[str]:
        async with open_node(manifest.node_http_url) as node:
            receipts = await give(
                node,
                minter,
                recipient,
                deployment=manifest.deployment,
                units=units,
                gas_wei=gas_wei,
            )
            return [to_hex(receipt.tx_hash) for receipt in receipts]

    result = {"address": address, "bill": bill, "gas": gas, "txHashes": asyncio.run(run())}
    say_result(result, f"gave {address} {bill} BILL and {gas} for gas", as_json=as_json)


async def _has_code(rpc_url: str, address: str) -> bool:
    contract = parse_address(address, param="unless-at")
    async with open_node(rpc_url) as node:
        return bool(await node.call("eth_getCode", to_hex(contract), "latest") != "0x")


RpcUrl = Annotated[str, typer.Option(envvar="BILLCOIN_NODE_HTTP_URL", help="The node.")]
WsUrl = Annotated[
    str,
    typer.Option(
        envvar="BILLCOIN_NODE_WS_URL",
        help="Its WebSocket; by default the same address, empty for a node without.",
    ),
]
ChainId = Annotated[
    int, typer.Option(envvar="BILLCOIN_CHAIN_ID", help="Refuse a node of any other chain.")
]
Treasury = Annotated[
    str | None,
    typer.Option(
        envvar="BILLCOIN_TREASURY_ADDRESS",
        help="Where vaults forward to; by default the devnet's second account.",
    ),
]
AttestationSigners = Annotated[
    list[str] | None,
    typer.Option(
        "--attestation-signer",
        metavar="ADDRESS",
        help="Deploy an attestation verifier that trusts this signer; may be repeated.",
    ),
]
UnlessAt = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Do nothing if there is a contract at this address."),
]


def _payee(treasury: str | None, chain_id: int) -> bytes:
    if treasury is not None:
        return parse_address(treasury, param="treasury")
    require_throwaway_chain(chain_id)
    return address_of(dev_account(TREASURY_INDEX))


def deploy(
    *,
    rpc_url: RpcUrl,
    ws_url: WsUrl = "same",
    chain_id: ChainId = DEFAULT_CHAIN_ID,
    treasury: Treasury = None,
    unless_at: UnlessAt = None,
    wallet: Signer = None,
    attestation_signer: AttestationSigners = None,
    as_json: Json = False,
) -> None:
    """Deploy the contracts; write manifest.json and .env.

    On a local devnet the milk economy comes with them, its parts played by the devnet's own
    accounts. Elsewhere its regulator and reporters are people: docs/contracts.md says how.
    """
    if unless_at is not None and asyncio.run(_has_code(rpc_url, unless_at)):
        say_result({"deployed": False}, f"there is a contract at {unless_at}", as_json=as_json)
        return
    deployer = actor(wallet, dev_account(DEPLOYER_INDEX), chain_id)
    payee = _payee(treasury, chain_id)
    node_ws_url = rpc_url.replace("http", "ws", 1) if ws_url == "same" else ws_url

    accounts = economy_accounts() if wallet is None else None
    signers = [parse_address(one, param="attestation-signer") for one in attestation_signer or ()]

    async def run() -> Manifest:
        async with open_node(rpc_url) as node:
            manifest = await deploy_contracts(
                node,
                deployer,
                chain_id=chain_id,
                treasury=payee,
                node_ws_url=node_ws_url,
                economy=accounts,
                attestation_signers=signers,
            )
            if accounts is not None and manifest.economy is not None:
                token = manifest.deployment.token
                await open_economy(node, manifest.economy, accounts, chain_id=chain_id, token=token)
            return manifest

    variables = asyncio.run(run()).variables()
    path = write_manifest(make_private(state_home()), variables)
    lines = "\n".join(f"{name}={value}" for name, value in variables.items())
    say_result(variables, f"{lines}\nwritten to {path}", as_json=as_json)
