"""A batch, and a sale's batches, as clients see them."""

from collections import Counter
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from ledger.attribution import Attribution, Share
from ledger.json_hex import to_hex
from ledger.order import Depths
from ledger.payment_uri import format_address
from ledger.store.batches import Batch, batch_key
from ledger.units import Units, format_bill, format_decimal
from oracle_api.times import rfc3339_seconds

MAX_SHOWN: Final = 100
"""Batches that an order names one by one; the others are told in sum, and by dairy."""

_FRACTION = Decimal("0.000000001")
_ADDRESS_CHARACTERS = 40


def write_batch(batch: Batch, depths: Depths) -> dict[str, Any]:
    """A batch with its pasteurisation, subsidy, recall and finality."""
    said = batch.arguments
    identity = batch_key(said)
    second = said["second_sensor"]
    return {
        "id": identity,
        "object": "batch",
        "dairy": _address(said["dairy"]),
        "batchId": said["batch_id"],
        "litres": format_bill(Units(int(said["litres"]))),
        "year": int(said["year"]),
        "sensors": [_address(said["sensor"]), *([_address(second)] if int(second, 16) else [])],
        "pasteurisation": {
            "temperatureCelsius": _thousandths(int(said["temperature"])),
            "holdingSeconds": _thousandths(int(said["holding_ms"])),
            "startedAt": rfc3339_seconds(int(said["started_at"])),
            "endedAt": rfc3339_seconds(int(said["ended_at"])),
        },
        "subsidy": {
            "earnedUnits": said["subsidy"],
            "paidUnits": str(batch.payout_amount if batch.payout == "PayoutPaid" else 0),
            "owedUnits": str(batch.payout_amount if batch.payout == "PayoutOwed" else 0),
        },
        "recall": None
        if batch.recall is None
        else {
            "reason": batch.recall["reason"],
            "recalledAt": batch.recalled_at and rfc3339_seconds(batch.recalled_at),
            "txHash": batch.recall_tx_hash and to_hex(batch.recall_tx_hash),
        },
        "acceptedAt": rfc3339_seconds(batch.accepted_at),
        "finality": str(depths.finality(batch.block_number)),
        "blockNumber": batch.block_number,
        "blockHash": to_hex(batch.block_hash),
        "txHash": to_hex(batch.tx_hash),
        "proof": f"/api/v1/batches/{identity}/proof",
    }


def write_attribution(
    order_id: str, found: Attribution, *, sold: Units, block_number: int, block_hash: bytes
) -> dict[str, Any]:
    """A sale's litres over the batches behind it, the largest parts first."""
    litres_of: Counter[str] = Counter()
    for share in found.shares:
        litres_of[_dairy_of(share)] += share.litres
    shown, others = found.shares[:MAX_SHOWN], found.shares[MAX_SHOWN:]
    return {
        "orderId": order_id,
        "object": "attribution",
        "rule": "pro_rata",
        "litres": format_bill(sold),
        "asOf": {"blockNumber": block_number, "blockHash": to_hex(block_hash)},
        "supply": format_bill(found.supply),
        "unattestedLitres": format_bill(found.unattested),
        "dairies": [
            {"dairy": dairy, "litres": format_bill(Units(litres))}
            for dairy, litres in litres_of.most_common()
        ],
        "batches": [_write_share(share) for share in shown],
        "otherBatches": {
            "count": len(others),
            "litres": format_bill(Units(sum(share.litres for share in others))),
        },
    }


def _write_share(share: Share) -> dict[str, Any]:
    return {
        "id": share.batch_id,
        "dairy": _dairy_of(share),
        "remainingLitres": format_bill(share.remaining),
        "fraction": format(share.fraction.quantize(_FRACTION, rounding=ROUND_DOWN), "f"),
        "litres": format_bill(share.litres),
    }


def _dairy_of(share: Share) -> str:
    return _address(share.batch_id.removeprefix("bat_")[:_ADDRESS_CHARACTERS])


def _address(text: str) -> str:
    return format_address(bytes.fromhex(text.removeprefix("0x")))


def _thousandths(value: int) -> str:
    sign = "-" if value < 0 else ""
    return sign + format_decimal(abs(value), decimals=3)
