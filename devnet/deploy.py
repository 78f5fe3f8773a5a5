"""Put BillCoin's contracts on a chain."""

from collections.abc import Sequence

from contracts import attestation_verifier, billcoin, order_vault_factory
from contracts.signing import LocalAccount
from devnet.dev_accounts import EconomyAccounts
from devnet.economy import (
    DELAY_SECONDS,
    PRICE_STALE_AFTER_SECONDS,
    deployed_at,
    send_economy,
)
from devnet.manifest import Manifest
from devnet.node import Node, Receipt
from devnet.transactions import Message, address_of, require_success, send
from ledger.deployment import Deployment
from ledger.errors import CorruptError, RejectedError
from ledger.json_hex import to_hex
from ledger.order_address import implementation_address


async def deploy(
    node: Node,
    deployer: LocalAccount,
    *,
    chain_id: int,
    treasury: bytes,
    node_ws_url: str,
    economy: EconomyAccounts | None = None,
    attestation_signers: Sequence[bytes] = (),
    price_age_seconds: int = PRICE_STALE_AFTER_SECONDS,
) -> Manifest:
    """Deploy the contracts, in one block where the chain allows, and say where they are.

    The deployer becomes the token's owner and first minter. With `economy` the milk economy's
    contracts are deployed too, for those parts; `open_economy` then lets them in. With
    `attestation_signers`, 20 bytes each, an attestation verifier is deployed that trusts them.

    Raises:
        RejectedError: `chain_unexpected`, or the node refused a transaction.
        CorruptError: The vault implementation is not where the factory must have put it.
    """
    if await node.quantity("eth_chainId") != chain_id:
        raise RejectedError("chain_unexpected", f"the node at {node.url} is not on {chain_id}")
    nonce = await node.quantity("eth_getTransactionCount", deployer.address, "pending")
    codes = _codes(attestation_signers)
    hashes = [
        await send(node, deployer, Message(None, code), chain_id=chain_id, nonce=nonce + position)
        for position, code in enumerate(codes)
    ]
    sent = None
    if economy is not None:
        sent = await send_economy(
            node,
            deployer,
            economy,
            chain_id=chain_id,
            first_nonce=nonce + len(codes),
            token=deployed_at(address_of(deployer), nonce),
            vault_factory=deployed_at(address_of(deployer), nonce + 1),
            price_age_seconds=price_age_seconds,
        )
        hashes += sent.tx_hashes
    receipts = [require_success(await node.receipt(tx_hash)) for tx_hash in hashes]
    token, factory, *verifier = receipts[: len(codes)]
    factory_address = _contract(factory)
    return Manifest(
        Deployment(
            chain_id=chain_id,
            token=_contract(token),
            vault_factory=factory_address,
            vault_implementation=await _implementation(node, factory_address),
            treasury=treasury,
        ),
        node_http_url=node.url,
        node_ws_url=node_ws_url,
        start_block=token.block_number,
        economy=None if sent is None else sent.economy,
        attestation_verifier=_contract(verifier[0]) if verifier else None,
    )


async def _implementation(node: Node, factory: bytes) -> bytes:
    implementation = implementation_address(factory=factory)
    if await node.call("eth_getCode", to_hex(implementation), "latest") == "0x":
        raise CorruptError(f"no vault implementation at {to_hex(implementation)}")
    return implementation


def _codes(attestation_signers: Sequence[bytes]) -> list[bytes]:
    codes = [billcoin.init_code(), order_vault_factory.init_code()]
    if attestation_signers:
        signers = list(attestation_signers)
        codes.append(attestation_verifier.init_code(delay_seconds=DELAY_SECONDS, signers=signers))
    return codes


def _contract(receipt: Receipt) -> bytes:
    if receipt.contract is None:
        raise CorruptError(f"{to_hex(receipt.tx_hash)} deployed nothing")
    return receipt.contract
