"""How deep a quorum of nodes has come, by what each calls safe or finalized."""

from collections.abc import Mapping

import structlog

from ledger.chain import BlockRef
from ledger.json_hex import to_hex

log = structlog.get_logger(__name__)


def agreed_depth(
    depth: str, claims: Mapping[str, BlockRef | None], *, required: int
) -> BlockRef | None:
    """The highest block that `required` nodes call so, or have come past.

    Claims are by the node's name. A node that calls another block of the same height so has come
    to it on another chain: it does not count, and the log names who said what.
    """
    told = {name: claim for name, claim in claims.items() if claim is not None}
    if len({claim.number for claim in told.values()}) < len(set(told.values())):
        log.warning(
            "depths_disagree",
            depth=depth,
            claims={name: f"{claim.number} {to_hex(claim.hash)}" for name, claim in told.items()},
            required=required,
        )
    for claim in sorted(told.values(), key=lambda claim: -claim.number):
        backers = [other for other in told.values() if other.number > claim.number]
        if len(backers) + list(told.values()).count(claim) >= required:
            return claim
    return None
