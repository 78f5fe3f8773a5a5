"""Checks at the start that the nodes and the contracts are the ones that the settings name."""

import structlog

from contracts.followed import EventDecoder
from contracts.order_vault_factory import runtime_code
from indexer.node import Node
from indexer.rpc import NodeUnreachableError
from indexer.sources import Sources
from ledger.deployment import Deployment
from ledger.errors import CorruptError, TransientError
from ledger.header import Header
from ledger.json_hex import UnprovenError, read_data, to_hex

log = structlog.get_logger(__name__)


class WrongDeploymentError(CorruptError):
    """The nodes are on another chain, or an address holds another contract."""


async def check_deployment_on_chain(
    sources: Sources, deployment: Deployment, events: EventDecoder
) -> None:
    """Check chain id, token, vault factory and followed contracts at every node.

    An order address is computed here, never asked of the chain: with another factory every
    payment would go where nobody can sweep it. A node that fails the check while enough others
    pass it is quarantined.

    Raises:
        WrongDeploymentError: too few nodes pass, and one of them says why.
        TransientError: too few nodes answer.
    """
    passed = 0
    wrong: WrongDeploymentError | None = None
    for source in sources.all:
        try:
            await _check_node(source.node, deployment)
            await _check_followed(source.node, events)
            passed += 1
        except WrongDeploymentError as error:
            wrong = error
            sources.convict(source, UnprovenError("wrong_deployment", str(error)))
        except TransientError as error:
            source.failed(error)
            log.warning("node_unreachable", source=source.name, error=str(error))
    if passed >= sources.required:
        return
    if wrong is not None:
        raise wrong
    raise NodeUnreachableError(f"{passed} of {sources.required} required nodes answer")


async def find_anchor(sources: Sources, token: bytes, *, start_block: int | None) -> Header:
    """The proven parent of the first block to read: `start_block`, or the token's deployment.

    A quorum has to have that block. Where the deployment is one node alone tells, since few keep
    the state of old blocks; a ledger that it lets begin too late drifts, which is noticed.

    Raises:
        NodesDisagreeError: too few nodes have the same block there.
        TransientError: no node can tell.
    """
    node = sources.best.node
    if start_block is None:
        head = await node.head()
        start_block = await node.code_block(token, head_number=head.number)
    return await sources.agreed_header(max(start_block - 1, 0))


async def _check_node(node: Node, deployment: Deployment) -> None:
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


async def _check_followed(node: Node, events: EventDecoder) -> None:
    """Another contract's logs would be read as events that they are not."""
    if not events.contracts:
        return
    from contracts.event_log import FOLLOWED  # noqa: PLC0415 - half a second that few need

    for contract, address in events.contracts:
        # Immutables follow the code that was compiled.
        code = await _code(node, address)
        if not code.startswith(FOLLOWED[contract].artifact().runtime):
            raise WrongDeploymentError(
                f"BILLCOIN_{contract.upper()}_ADDRESS {to_hex(address)} is not our {contract}"
            )


async def _code(node: Node, address: bytes) -> bytes:
    return read_data(await node.rpc.call("eth_getCode", [to_hex(address), "latest"]), field="code")
