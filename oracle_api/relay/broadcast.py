"""Signs relayed transactions, and sends those that were written down."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from ledger.errors import TransientError
from ledger.json_hex import to_hex
from ledger.store.relay_nonces import RelayTransaction
from ledger.store.relay_submissions import mark_broadcast
from oracle_api.database import Database
from oracle_api.relay.fees import Fees
from oracle_api.relay.node import NodeRefusedError, RelayNode
from oracle_api.relay.signer import Signer

# What nodes say of bytes that they have already.
_KNOWN = ("already known", "already imported", "known transaction", "alreadyexists")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Call:
    """What a relayed transaction does, and the submission that it is for, if any."""

    to: bytes
    data: bytes
    gas_limit: int
    submission_id: str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a transaction offers, and when it was signed: at which head and moment."""

    fees: Fees
    head_number: int
    now: datetime


class Broadcaster:
    """Signs and sends; one per process.

    Between writing and sending anything may happen to us: what is written is sent again by the
    watch, always as the same bytes, so that it can take effect only once.
    """

    def __init__(
        self, database: Database, node: RelayNode, signer: Signer, *, chain_id: int
    ) -> None:
        self.node = node
        self.relayer = signer.address
        self.chain_id = chain_id
        self._database = database
        self._signer = signer

    async def sign(self, call: Call, terms: Terms, *, tx_nonce: int) -> RelayTransaction:
        """Sign a transaction; whoever took the nonce writes it down before anybody sends it."""
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": tx_nonce,
            "to": call.to,
            "value": 0,
            "data": call.data,
            "gas": call.gas_limit,
            "maxFeePerGas": terms.fees.max_fee_wei,
            "maxPriorityFeePerGas": terms.fees.tip_wei,
        }
        signed = await self._signer.sign(fields)
        return RelayTransaction(
            chain_id=self.chain_id,
            tx_hash=signed.tx_hash,
            relayer=self.relayer,
            tx_nonce=tx_nonce,
            submission_id=call.submission_id,
            raw=signed.raw,
            gas_limit=call.gas_limit,
            max_fee_wei=terms.fees.max_fee_wei,
            tip_wei=terms.fees.tip_wei,
            signed_number=terms.head_number,
            created_at=terms.now,
        )

    async def send(self, transaction: RelayTransaction) -> bool:
        """Give a written transaction to the node; False when it is not known to have it.

        Whatever the node answers decides nothing: one that said no may have passed it on, and one
        that said yes may lose it. The chain decides, and the watch looks there.
        """
        try:
            await self.node.send(transaction.raw)
        except TransientError as error:
            is_known = isinstance(error, NodeRefusedError) and any(
                word in str(error).lower() for word in _KNOWN
            )
            if not is_known:
                log.warning(
                    "a broadcast was not confirmed",
                    txHash=to_hex(transaction.tx_hash),
                    submissionId=transaction.submission_id,
                    detail=str(error),
                )
                return False
        if transaction.submission_id is not None:
            async with self._database.writing() as connection:
                await mark_broadcast(connection, transaction.submission_id)
        return True
