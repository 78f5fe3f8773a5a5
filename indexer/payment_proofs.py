"""Keeps a Merkle proof of every payment, beside the blocks and never in their way.

A proof needs the whole block again. Building it where the block is applied would make every
payment later by that much, so it follows a moment after, and history gets its proofs in the same
way.
"""

import asyncio
from itertools import groupby

import asyncpg
import orjson
import structlog

from indexer.block_answer import ask_for_block
from indexer.rpc import NotThereYetError
from indexer.sources import Sources
from ledger.block import prove_block
from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.proof import BlockProofs, check_proof
from ledger.store.cursor import read_cursor
from ledger.store.payment_proofs import MissingProof, find_missing_proofs, insert_proofs
from ledger.store.pool import DATABASE_AWAY, Connection, connect
from ledger.trie_proof import ProofRefusedError

log = structlog.get_logger(__name__)

MAX_DOCUMENT_BYTES = 1024 * 1024
# A block is fetched and proven once for a page of its payments; a new block waits while those are
# built that are written at once.
_PAGE = 1_000
_AT_ONCE = 20
_INTERVAL_SECONDS = 0.5
_RETRY_SECONDS = 5.0
_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, asyncpg.PostgresError)


async def keep_proofs_forever(
    database_url: str, sources: Sources, *, chain_id: int, token: bytes
) -> None:
    """Prove payments as they come until cancelled; trouble is logged and tried again."""
    while True:
        try:
            connection = await connect(
                database_url, application_name="billcoin-proofs", plans_each_time=True
            )
            try:
                await _keep_up(connection, sources, chain_id=chain_id, token=token)
            finally:
                connection.terminate()
        except TransientError as error:
            log.warning("payment_not_proven", error=str(error))
        except _AWAY as error:
            # Whatever it is, blocks go on being applied: a proof can come later.
            log.warning("payment_not_proven", error=repr(error))
        await asyncio.sleep(_RETRY_SECONDS)


async def _keep_up(
    connection: Connection, sources: Sources, *, chain_id: int, token: bytes
) -> None:
    since = 0
    while True:
        cursor = await read_cursor(connection, chain_id)
        done = await keep_proofs(
            connection, sources, chain_id=chain_id, token=token, since_number=since
        )
        if done < _PAGE and cursor is not None:
            # What was final then cannot change any more: it need not be looked at again.
            since = max(since, cursor.finalized.number)
            await asyncio.sleep(_INTERVAL_SECONDS)


async def keep_proofs(
    connection: Connection, sources: Sources, *, chain_id: int, token: bytes, since_number: int = 0
) -> int:
    """Prove and keep one page of payments without a proof; returns how many there were.

    Raises:
        TransientError: a block could not be had, or does not check.
    """
    missing = await find_missing_proofs(
        connection, chain_id, since_number=since_number, limit=_PAGE
    )
    for block_hash, group in groupby(missing, key=lambda item: item.block_hash):
        proofs = await _fetch(sources, block_hash, token)
        items = list(group)
        for start in range(0, len(items), _AT_ONCE):
            part = items[start : start + _AT_ONCE]
            documents = [_document(proofs, item) for item in part]
            await insert_proofs(connection, chain_id, list(zip(part, documents, strict=True)))
    return len(missing)


async def _fetch(sources: Sources, block_hash: bytes, token: bytes) -> BlockProofs:
    """A block as the node answers it, proven here, with the proofs of its transactions."""
    node = sources.best.node
    block, receipts = await ask_for_block(node.rpc, block_hash)
    if not isinstance(block, dict) or not isinstance(receipts, list):
        raise NotThereYetError(f"the node no longer has block {to_hex(block_hash)}")
    prove_block(block, receipts, expected_hash=block_hash, token=token)
    return BlockProofs(block, receipts, token=token)


def _document(proofs: BlockProofs, item: MissingProof) -> bytes | None:
    proof = proofs.document(item.tx_index)
    try:
        proven = check_proof(proof, block_hash=item.block_hash)
    except ProofRefusedError as error:
        log.warning("payment_not_provable", tx_hash=to_hex(item.tx_hash), error=str(error))
        return None
    document = orjson.dumps(proof)
    return (
        document if proven.tx_hash == item.tx_hash and len(document) <= MAX_DOCUMENT_BYTES else None
    )
