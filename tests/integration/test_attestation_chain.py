"""A sale on a real chain, attested, verified by a partner's JavaScript and consumed once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from market import Market, indexing, open_market
from node_program import JAVASCRIPT, answer_of, node
from oracle_support import Client, served, settings_for, until_journal_is_read

from contracts import attestation_verifier
from contracts.abi import call_data
from devnet.attestation_key import KEYS_NAME, attestation_signer
from devnet.dev_accounts import DEPLOYER_INDEX, dev_account
from devnet.transactions import Message, address_of, require_success, send
from ledger.attestation import FIELDS
from ledger.errors import RejectedError

SCRIPT = JAVASCRIPT / "verify_attestation.mjs"
CONSUMER_INDEX = 5
ARTIFACT = attestation_verifier.artifact()


@dataclass
class Scene:
    market: Market
    client: Client
    verifier: bytes
    signer: bytes

    async def transact(self, account: int, function: str, *arguments: Any) -> None:
        """Call the verifier; anvil answers before the block is there, so wait for it."""
        message = Message(self.verifier, call_data(ARTIFACT, function, *arguments))
        tx_hash = await send(
            self.market.node, dev_account(account), message, chain_id=self.market.chain.chain_id
        )
        require_success(await self.market.node.receipt(tx_hash))

    async def refused(self, account: int, function: str, *arguments: Any) -> str:
        with pytest.raises(RejectedError) as refusal:
            await self.transact(account, function, *arguments)
        assert refusal.value.code == "transaction_would_fail"
        return str(refusal.value)


def argument(attestation: dict[str, Any]) -> tuple[Any, ...]:
    """The message as the contract takes it."""
    message = attestation["message"]
    return tuple(
        bytes.fromhex(message[name][2:]) if type_ in {"bytes32", "address"} else int(message[name])
        for name, type_ in FIELDS
    )


@pytest.fixture
async def scene(ledger_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    signer = attestation_signer(tmp_path)
    async with open_market(ledger_url, attestation_signers=[signer]) as market:
        verifier = market.manifest.attestation_verifier
        assert verifier is not None
        settings = settings_for(
            ledger_url,
            market.manifest.deployment,
            attestation_verifier_address=verifier,
            attestation_keys_file=tmp_path / KEYS_NAME,
        )
        async with indexing(market), served(settings) as client:
            await market.until_tip()
            await until_journal_is_read(client)
            yield Scene(market, client, verifier, signer)


async def test_a_partner_verifies_offline_and_on_the_chain_and_its_contract_relies_on_it_once(
    scene: Scene,
) -> None:
    market, client = scene.market, scene.client
    order = await client.order()
    consumer = dev_account(CONSUMER_INDEX)
    tx_hash = await market.pay(bytes.fromhex(order["orderAddress"][2:]), 250_000_000_000_000_000)
    answer = await client.validate(
        tx_hash, prefer="wait=10", attest=True, consumer=consumer.address, orderId=order["id"]
    )
    attestation = answer["attestation"]
    assert answer["valid"]
    # What relies on a payment comes in a later block.
    await market.mine()

    _, signers, _ = await client.call("GET", "/.well-known/billcoin-attestation.json")
    question = {
        "attestation": attestation,
        "signers": signers,
        "rpcUrl": market.chain.http_url,
        "abi": list(ARTIFACT.abi),
    }
    found = await answer_of(node(), str(SCRIPT), question=question)
    assert found == {
        "digest": attestation["digest"],
        "genuine": True,
        "tamperedGenuine": False,
        "verified": True,
        "refusal": "",
        "tamperedVerified": False,
        "tamperedRefusal": "not signed by a signer",
    }

    signed = (argument(attestation), bytes.fromhex(attestation["signature"][2:]))
    assert "caller is not the consumer" in await scene.refused(DEPLOYER_INDEX, "consume", *signed)
    await scene.transact(CONSUMER_INDEX, "consume", *signed)
    assert "order is consumed already" in await scene.refused(CONSUMER_INDEX, "consume", *signed)


async def test_the_chain_refuses_what_a_reorganisation_or_the_owner_took_back(
    scene: Scene,
) -> None:
    market, client = scene.market, scene.client
    order = await client.order()
    consumer = address_of(dev_account(CONSUMER_INDEX))
    tx_hash = await market.pay(bytes.fromhex(order["orderAddress"][2:]), 250_000_000_000_000_000)
    answer = await client.validate(
        tx_hash, prefer="wait=10", attest=True, consumer="0x" + consumer.hex()
    )
    signed = (
        argument(answer["attestation"]),
        bytes.fromhex(answer["attestation"]["signature"][2:]),
    )
    await market.mine()
    await market.reorg(2)
    await market.mine()
    assert "block has left the chain" in await scene.refused(CONSUMER_INDEX, "consume", *signed)

    await scene.transact(DEPLOYER_INDEX, "revoke_signer", scene.signer)
    assert "signer is revoked" in await scene.refused(CONSUMER_INDEX, "consume", *signed)
