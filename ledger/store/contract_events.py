"""Retracts and reads the events of followed contracts, as transfers are beside them."""

from collections.abc import Mapping, Sequence

from ledger.contract_event import ContractEvent
from ledger.errors import CorruptError, RejectedError
from ledger.store.pool import Connection

RETRACT = """
UPDATE contract_event SET canonical = false
WHERE chain_id = $1 AND block_hash = ANY($2::bytea[])
"""

READ = """
SELECT e.block_hash, e.log_index, e.tx_index, e.tx_hash, e.contract, e.name, e.arguments
FROM block b JOIN contract_event e ON e.chain_id = b.chain_id AND e.block_hash = b.hash
WHERE b.chain_id = $1 AND b.number BETWEEN $2 AND $3 AND b.canonical AND e.canonical
ORDER BY b.number, e.log_index
"""

READ_FOLLOWED = "SELECT contract, address FROM followed_contract WHERE chain_id = $1"

# What was said before is in the chain, but not here: a new one is followed from the next block on.
FOLLOW = """
INSERT INTO followed_contract (chain_id, contract, address, since_number)
SELECT chain_id, $2, $3, tip_number + 1 FROM chain WHERE chain_id = $1
"""

# Blocks that were built anew with these contracts' events, and none missing before the rest.
FOLLOW_FROM_START = """
UPDATE followed_contract f SET since_number = c.start_number
FROM chain c WHERE c.chain_id = f.chain_id AND f.chain_id = $1 AND f.since_number <= $2 + 1
"""


class FollowedContractsError(CorruptError):
    """The ledger follows other contracts than the settings name."""


async def retract_events(
    connection: Connection, chain_id: int, block_hashes: Sequence[bytes]
) -> None:
    """Take the events of these blocks off the canonical chain."""
    await connection.execute(RETRACT, chain_id, list(block_hashes))


async def read_events_by_block(
    connection: Connection, chain_id: int, first: int, last: int
) -> dict[bytes, list[ContractEvent]]:
    """The canonical events of a range, by block hash."""
    found: dict[bytes, list[ContractEvent]] = {}
    for block_hash, *fields in await connection.fetch(READ, chain_id, first, last):
        found.setdefault(block_hash, []).append(ContractEvent(*fields))
    return found


async def find_unfollowed(
    connection: Connection, chain_id: int, contracts: Mapping[str, bytes]
) -> list[str]:
    """Which contracts of the settings this ledger does not follow yet.

    Raises:
        FollowedContractsError: one that it follows has another address or is missing: what the
            ledger says about it would have a gap that nobody sees.
    """
    stored = await _read_followed(connection, chain_id)
    for contract, address in stored.items():
        if contracts.get(contract) != address:
            raise FollowedContractsError(
                f"this ledger follows {contract} at 0x{address.hex()}, and the settings do not: "
                f"set BILLCOIN_{contract.upper()}_ADDRESS to it, or use another database"
            )
    return [contract for contract in contracts if contract not in stored]


async def follow_contracts(
    connection: Connection, chain_id: int, contracts: Mapping[str, bytes]
) -> None:
    """Follow contracts from the block after our tip on; before it nothing of theirs is known."""
    for contract, address in contracts.items():
        await connection.execute(FOLLOW, chain_id, contract, address)


async def require_followed(
    connection: Connection, chain_id: int, contracts: Mapping[str, bytes]
) -> None:
    """Check that what is to be compared or built anew is about the contracts of this ledger.

    Raises:
        RejectedError: `contracts_differ`.
    """
    if await _read_followed(connection, chain_id) != dict(contracts):
        raise RejectedError(
            "contracts_differ",
            "this ledger follows other contracts than the settings name: correct the "
            "BILLCOIN_*_ADDRESS values, or restart `billcoin-indexer run` with them first",
        )


async def follow_from_start(connection: Connection, chain_id: int, *, last: int) -> None:
    """Note that everything up to block `last` was built anew with the contracts' events."""
    await connection.execute(FOLLOW_FROM_START, chain_id, last)


async def _read_followed(connection: Connection, chain_id: int) -> dict[str, bytes]:
    rows = await connection.fetch(READ_FOLLOWED, chain_id)
    return {row["contract"]: row["address"] for row in rows}
