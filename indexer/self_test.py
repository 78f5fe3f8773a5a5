"""Finds out at the start whether this chain's headers hash as Ethereum's do."""

import structlog

from indexer.sources import Sources
from ledger.errors import CorruptError, TransientError
from ledger.json_hex import UnprovenError
from ledger.quorum_block import read_header
from ledger.verification import Verification

log = structlog.get_logger(__name__)


class UnprovableChainError(CorruptError):
    """No node's header hashes to its hash, and there are too few nodes to believe them."""


async def choose_verification(sources: Sources) -> Verification:
    """Try to prove each node's newest header; degrade when the encoding itself is the reason.

    One header that hashes shows that the encoding is Ethereum's: whoever fails then lies, and is
    caught when it is asked. When every node that answers fails in the same way, and as many as a
    quorum wants tell the same hash at one height, the chain's encoding is not one that we can
    recompute: from then on a block is believed when a quorum tells the same and the header's bloom
    does not speak against it, and every answer of the oracle says so.

    Raises:
        UnprovableChainError: all fail and a single node would have to be believed.
        TransientError: too few nodes answer.
    """
    failures = 0
    for source in sources.all:
        try:
            await source.node.head()
        except UnprovenError as error:
            if error.code != "header_hash":
                raise
            failures += 1
        except TransientError as error:
            log.warning("not_self_tested", source=source.name, error=str(error))
        else:
            return Verification.FULL
    if failures < sources.required:
        raise TransientError(f"{failures} of {sources.required} required nodes answer")
    if sources.required < 2:  # noqa: PLR2004 - one node's word is no quorum
        raise UnprovableChainError(
            "the node's header does not hash to its own hash: it lies, or the chain's encoding is "
            "not Ethereum's. In the second case name at least two independent nodes in "
            "BILLCOIN_NODE_HTTP_URL and set BILLCOIN_NODES_REQUIRED to 2 or more"
        )
    await _require_agreement(sources)
    sources.degrade()
    log.warning(
        "verification_degraded",
        to=str(Verification.QUORUM),
        reason="no header hashes to its hash, and the nodes agree: the encoding is not Ethereum's",
        required=sources.required,
    )
    return Verification.QUORUM


async def _require_agreement(sources: Sources) -> None:
    """A quorum must tell the same hash at the lowest of their heads' heights."""
    heads = []
    for source in sources.all:
        block = await source.node.rpc.call("eth_getBlockByNumber", ["latest", False])
        heads.append(read_header(block).number)
    hashes = []
    for source in sources.all:
        block = await source.node.rpc.call("eth_getBlockByNumber", [hex(min(heads)), False])
        hashes.append(read_header(block).hash)
    if max(map(hashes.count, hashes)) < sources.required:
        raise UnprovableChainError(
            "no header hashes to its own hash and the nodes do not agree: nothing can be believed"
        )
