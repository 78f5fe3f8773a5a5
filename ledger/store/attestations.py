"""The record of what the oracle has signed; it is only ever appended to."""

from datetime import datetime

from ledger.attestation import Attestation
from ledger.store.pool import Connection

# The same attestation may be asked for again, from any replica: it is one, to the last byte.
INSERT = """
INSERT INTO attestation (
    digest, chain_id, verifier, signer, order_id, tx_hash, block_hash, finality, consumer,
    account_id, issued_at, expires_at, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (digest) DO NOTHING
"""


async def record_attestation(
    connection: Connection,
    attestation: Attestation,
    *,
    digest: bytes,
    chain_id: int,
    verifier: bytes,
    signer: bytes,
    order_id: str,
    account_id: str | None,
    now: datetime,
) -> None:
    """Note that an attestation was signed, before anybody is given it."""
    await connection.execute(
        INSERT,
        digest,
        chain_id,
        verifier,
        signer,
        order_id,
        attestation.tx_hash,
        attestation.block_hash,
        attestation.finality,
        attestation.consumer,
        account_id,
        attestation.issued_at_seconds,
        attestation.expires_at_seconds,
        now,
    )
