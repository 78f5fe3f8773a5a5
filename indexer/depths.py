"""How deep a quorum of nodes has come, by what each calls safe or finalized."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from indexer.source import Source
from ledger.chain import BlockRef
from ledger.json_hex import to_hex

log = structlog.get_logger(__name__)

Claims = Mapping[Source, BlockRef | None]
Opinions = Callable[[BlockRef, Sequence[Source]], Awaitable[tuple[list[Source], list[Source]]]]
"""Which of some nodes have a block on their own chain, and which have another at its height."""


async def agreed_depth(
    depth: str, claims: Claims, *, required: int, opinions: Opinions
) -> BlockRef | None:
    """The highest block that `required` nodes call so, or have come past on the same chain.

    A node that calls a higher block so may be on another chain, which only its own block at the
    lower height tells: else it would vouch for what it contradicts, and one that lies about a block
    between two honest claims would keep both from counting. The log names who said what where
    nodes contradict each other.
    """
    told = {source: claim for source, claim in claims.items() if claim is not None}
    blocks = sorted(dict.fromkeys(told.values()), key=lambda block: -block.number)
    is_disputed = len({block.number for block in blocks}) < len(blocks)
    agreed = None
    for block in blocks:
        backers = list(told.values()).count(block)
        past = [source for source, claim in told.items() if claim.number > block.number]
        if backers < required <= backers + len(past):
            holding, others = await opinions(block, past)
            backers += len(holding)
            is_disputed |= bool(others)
        if backers >= required:
            agreed = block
            break
    if is_disputed:
        log.warning(
            "depths_disagree",
            depth=depth,
            claims={
                source.name: f"{claim.number} {to_hex(claim.hash)}"
                for source, claim in told.items()
            },
            required=required,
        )
    return agreed
