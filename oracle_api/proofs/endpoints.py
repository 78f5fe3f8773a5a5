"""`GET /api/v1/payments/{txHash}/proof`: all that is needed to check a payment without us."""

import re
from typing import Final

from fastapi import APIRouter, Response

from ledger.errors import RejectedError
from ledger.store.payment_proofs import read_proof
from oracle_api.database import Database
from oracle_api.problems import UnavailableError
from oracle_api.proofs.documentation import PROOF

PATH: Final = "/api/v1/payments/{tx_hash}/proof"

_TX_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)


def proofs_router(database: Database, *, chain_id: int) -> APIRouter:
    """The route, around the process's one database."""
    router = APIRouter(tags=["payments"])

    @router.get(
        PATH,
        summary="A payment's proof",
        responses=PROOF,
        openapi_extra={"description": "Check it with `billcoin-indexer verify-proof`."},
    )
    async def read_payment_proof(tx_hash: str) -> Response:
        """The Merkle proof of a payment, for anybody who trusts a block hash and nobody else."""
        if _TX_HASH.fullmatch(tx_hash) is None:
            raise RejectedError(
                "tx_hash_invalid", "txHash must be 0x and 64 hex digits", param="txHash"
            )
        async with database.reading() as connection:
            stored = await read_proof(connection, chain_id, bytes.fromhex(tx_hash[2:]))
        if stored is None:
            raise RejectedError(
                "payment_not_found",
                "this transaction pays no order and no refund of ours",
                param="txHash",
            )
        if not stored.is_stored:
            raise UnavailableError("proof_pending", "the proof is being made; try again")
        if stored.document is None:
            raise RejectedError(
                "proof_not_kept", "its block is too large for a proof to be kept", param="txHash"
            )
        return Response(stored.document, media_type="application/json")

    return router
