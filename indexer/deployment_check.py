"""Checks at the start that the node and the contracts are the ones that the settings name."""

from contracts.order_vault_factory import runtime_code
from indexer.node import Node
from ledger.deployment import Deployment
from ledger.errors import CorruptError
from ledger.json_hex import read_data, to_hex


class WrongDeploymentError(CorruptError):
    """The node is on another chain, or an address holds another contract."""


async def check_deployment_on_chain(node: Node, deployment: Deployment) -> None:
    """Check chain id, token and vault factory.

    An order address is computed here, never asked of the chain: with another factory every
    payment would go where nobody can sweep it.

    Raises:
        WrongDeploymentError: one of them is not what the settings say.
        TransientError: the node does not answer.
    """
    chain_id = await node.chain_id()
    if chain_id != deployment.chain_id:
        raise WrongDeploymentError(
            f"the node is on chain {chain_id}, BILLCOIN_CHAIN_ID says {deployment.chain_id}"
        )
    if not await _code(node, deployment.token):
        raise WrongDeploymentError(
            f"BILLCOIN_TOKEN_ADDRESS {to_hex(deployment.token)} holds no contract"
        )
    expected = runtime_code(implementation=deployment.vault_implementation)
    if await _code(node, deployment.vault_factory) != expected:
        raise WrongDeploymentError(
            f"BILLCOIN_VAULT_FACTORY_ADDRESS {to_hex(deployment.vault_factory)} is not our factory "
            f"with implementation {to_hex(deployment.vault_implementation)}"
        )


async def _code(node: Node, address: bytes) -> bytes:
    return read_data(await node.rpc.call("eth_getCode", [to_hex(address), "latest"]), field="code")
