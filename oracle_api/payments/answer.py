"""Writes a verdict as US-004 wants it, with everything that it rests on."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from ledger.json_hex import to_hex
from oracle_api.payments.service import Answer
from oracle_api.times import rfc3339_seconds

NO: Final = {"valid": False, "confirmedAt": None}
"""What every answer that is no verdict says beside its `error`: never a yes."""


def write_answer(answer: Answer, *, more: Mapping[str, Any] | None = None) -> bytes:
    """The body of a validation that was carried out, with whatever `more` was asked for."""
    document = _document(answer)
    if more is not None:
        document.update(more)
    return orjson.dumps(document)


def _document(answer: Answer) -> dict[str, Any]:
    verdict, evidence = answer.verdict, answer.evidence
    confirmed_at = verdict.confirmed_at
    return {
        "valid": verdict.is_valid,
        "confirmedAt": None if confirmed_at is None else rfc3339_seconds(confirmed_at),
        "error": None if verdict.is_valid else verdict.code,
        "verdict": _verdict(answer)
        | {
            "asOf": {
                "blockNumber": evidence.depths.tip_number,
                "blockHash": to_hex(evidence.tip_hash),
                "timestamp": rfc3339_seconds(evidence.depths.tip_timestamp),
                "blocksBehind": _blocks_behind(answer),
                "finalizedBlockNumber": evidence.depths.finalized_number,
            },
            "nodesAgreeing": evidence.observation and evidence.observation.nodes_agreeing,
            "nodesAsked": evidence.observation and evidence.observation.nodes_asked,
            "verification": evidence.observation and evidence.observation.verification,
            "retryable": verdict.is_retryable,
        },
    }


def _verdict(answer: Answer) -> dict[str, Any]:
    verdict = answer.verdict
    payment = verdict.payment
    return {
        "orderId": verdict.order_id,
        "status": verdict.status,
        "code": verdict.code,
        "finality": verdict.finality,
        "confirmations": verdict.confirmations,
        "blockNumber": None if payment is None else payment.block_number,
        "blockHash": None if payment is None else to_hex(payment.block_hash),
    }


def _blocks_behind(answer: Answer) -> int | None:
    observation = answer.evidence.observation
    if observation is None:
        return None
    return max(0, observation.head_number - answer.evidence.depths.tip_number)
