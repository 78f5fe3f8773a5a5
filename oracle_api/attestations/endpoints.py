"""`GET /.well-known/billcoin-attestation.json`: whose signatures to trust, and what they sign."""

from typing import Final

import orjson
from fastapi import APIRouter, Response

from oracle_api.attestations.documentation import SIGNERS
from oracle_api.attestations.resource import NOT_OFFERED
from oracle_api.attestations.service import Attestor

PATH: Final = "/.well-known/billcoin-attestation.json"
MAX_AGE_SECONDS: Final = 60
"""How late a partner may learn of a revoked key; the verifier contract knows at once."""


def attestations_router(attestor: Attestor | None) -> APIRouter:
    """The route; without an attestor it says that nothing is signed here."""
    router = APIRouter(tags=["payments"])
    document = orjson.dumps(NOT_OFFERED if attestor is None else attestor.describe())

    @router.get(PATH, **SIGNERS)
    async def read_attestation_signers() -> Response:
        """The signers of attestations, the revoked ones too, and the EIP-712 domain and types."""
        headers = {"cache-control": f"public, max-age={MAX_AGE_SECONDS}"}
        return Response(document, media_type="application/json", headers=headers)

    return router
