"""How proofs look in OpenAPI; docs/auditor.md defines them."""

from typing import Any, Final

from oracle_api.documentation import json_response, problem_response
from oracle_api.forms import TX_HASH

_HEX: Final[dict[str, Any]] = {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"}
_NODES: Final[dict[str, Any]] = {"type": "array", "items": _HEX}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}

# The bytes are shortened: real ones go on for some kilobytes.
PROOF_EXAMPLE: Final[dict[str, Any]] = {
    "format": "billcoin-payment-proof/1",
    "blockNumber": 4211,
    "blockHash": "0x" + "a1" * 32,
    "blockTimestamp": 1_775_808_923,
    "header": "0xf90261a0",
    "txHash": "0x" + "5c" * 32,
    "txIndex": 0,
    "transaction": "0x02f8b0827a69",
    "transactionProof": ["0xf851a0"],
    "receipt": "0x02f901a70182",
    "receiptProof": ["0xf851a0"],
    "token": "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
    "transfers": [
        {
            "receiptLogIndex": 0,
            "sender": "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
            "recipient": "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359",
            "amountUnits": "250000000000000000",
        }
    ],
}
_TRANSFER: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["receiptLogIndex", "sender", "recipient", "amountUnits"],
    "properties": {
        "receiptLogIndex": _COUNT,
        "sender": _HEX,
        "recipient": _HEX,
        "amountUnits": {"type": "string", "pattern": "^[0-9]+$"},
    },
}
PROOF_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(PROOF_EXAMPLE),
    "properties": {name: _HEX for name, value in PROOF_EXAMPLE.items() if isinstance(value, str)}
    | {
        "format": {"const": "billcoin-payment-proof/1"},
        "blockNumber": _COUNT,
        "blockTimestamp": _COUNT,
        "txHash": TX_HASH,
        "txIndex": _COUNT,
        "transactionProof": _NODES,
        "receiptProof": _NODES,
        "transfers": {"type": "array", "items": _TRANSFER},
    },
}
PROOF_ANSWER: Final = json_response(
    "A `billcoin-payment-proof/1` document; docs/auditor.md defines it",
    PROOF_SCHEMA,
    PROOF_EXAMPLE,
)
PROOF: Final[dict[int | str, dict[str, Any]]] = {
    200: PROOF_ANSWER,
    400: problem_response("It is no transaction's hash", 400, "tx_hash_invalid", "txHash"),
    404: problem_response(
        "The transaction pays no order and no refund of ours", 404, "payment_not_found", "txHash"
    ),
    503: problem_response("It is being made", 503, "proof_pending", None),
}
