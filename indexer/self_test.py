"""Finds out at the start whether this chain's headers hash as Ethereum's do."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from indexer.node import MAX_EVIDENCE_CHARACTERS
from indexer.rpc import NotThereYetError
from indexer.source import Source
from indexer.sources import Sources
from ledger.errors import CorruptError, TransientError
from ledger.header import Header, prove_header
from ledger.json_hex import UnprovenError
from ledger.quorum_block import read_header
from ledger.verification import Verification

log = structlog.get_logger(__name__)


class UnprovableChainError(CorruptError):
    """No node's header hashes to its hash, and there are too few nodes to believe them."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A header that has all we need, and whether it also hashes to its hash."""

    header: Header
    is_proven: bool


async def choose_verification(sources: Sources) -> Verification:
    """Try to prove each node's newest header; degrade when the encoding itself is the reason.

    One header that hashes shows that the encoding is Ethereum's: whoever fails then lies, and is
    caught when it is asked. When no node's does, and as many as a quorum wants tell the same hash
    at one height, the chain's encoding is not one that we can recompute: from then on a block is
    believed when a quorum tells the same and the header's bloom does not speak against it, and
    every answer of the oracle says so. A node whose header lacks what any chain's has is convicted
    and decides nothing, and no more does one that is silent.

    Raises:
        UnprovableChainError: all fail and a single node would have to be believed.
        TransientError: too few nodes answer.
    """
    if sources.verification is Verification.QUORUM:
        return Verification.QUORUM  # chosen by an attempt to start whose later checks failed
    told = await _ask_each(sources, sources.all, "latest")
    if any(one.is_proven for one in told.values()):
        return Verification.FULL
    if len(told) < sources.required:
        raise TransientError(f"{len(told)} of {sources.required} required nodes tell a header")
    if sources.required < 2:  # noqa: PLR2004 - one node's word is no quorum
        raise UnprovableChainError(
            "the node's header does not hash to its own hash: it lies, or the chain's encoding is "
            "not Ethereum's. In the second case name at least two independent nodes in "
            "BILLCOIN_NODE_HTTP_URL and set BILLCOIN_NODES_REQUIRED to 2 or more"
        )
    await _require_agreement(sources, told)
    sources.degrade()
    log.warning(
        "verification_degraded",
        to=str(Verification.QUORUM),
        reason="no header hashes to its hash, and the nodes agree: the encoding is not Ethereum's",
        required=sources.required,
    )
    return Verification.QUORUM


async def _require_agreement(sources: Sources, heads: dict[Source, _Told]) -> None:
    """A quorum must tell the same hash at the lowest of their heads' heights."""
    number = min(told.header.number for told in heads.values())
    told = await _ask_each(sources, heads, hex(number))
    hashes = [one.header.hash for one in told.values() if one.header.number == number]
    agreeing = max(map(hashes.count, hashes), default=0)
    if agreeing >= sources.required:
        return
    if agreeing + len(sources.all) - len(hashes) >= sources.required:
        raise TransientError(f"{agreeing} of {sources.required} required nodes tell the same")
    raise UnprovableChainError(
        "no header hashes to its own hash and the nodes do not agree: nothing can be believed"
    )


async def _ask_each(sources: Sources, asked: Collection[Source], place: str) -> dict[Source, _Told]:
    """What those nodes tell of a block that tell anything; the others are noted."""
    answers = await asyncio.gather(*(_ask(sources, source, place) for source in asked))
    return {source: told for source, told in zip(asked, answers, strict=True) if told is not None}


async def _ask(sources: Sources, source: Source, place: str) -> _Told | None:
    try:
        block = await source.node.rpc.call("eth_getBlockByNumber", [place, False])
        if block is None:
            raise NotThereYetError(f"the node has no block {place}")
        return _read(block)
    except UnprovenError as error:
        if not source.is_quarantined:  # or every attempt to start would double the quarantine
            sources.convict(source, error)
    except TransientError as error:
        log.warning("not_self_tested", source=source.name, error=str(error))
    return None


def _read(block: Any) -> _Told:
    try:
        return _Told(prove_header(block), is_proven=True)
    except UnprovenError:
        pass  # a foreign header may as well lack a field that we do not need
    try:
        return _Told(read_header(block), is_proven=False)
    except UnprovenError as error:
        error.details = {"answer": orjson.dumps(block).decode()[:MAX_EVIDENCE_CHARACTERS]}
        raise
