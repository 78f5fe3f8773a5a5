"""Reads what a partner asks about a payment, strictly and without a detour."""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from ledger.attestation import NO_CONSUMER
from ledger.errors import RejectedError
from ledger.payment_uri import parse_address
from ledger.units import parse_bill, parse_myr
from ledger.verdict import Expectation

_TX_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_ORDER_ID = re.compile(r"ord_[0-9a-z]{26}", re.ASCII)
_FIELDS = frozenset({"txHash", "expectedAmount", "orderId", "currency", "attest", "consumer"})
_MAX_AMOUNT_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Question:
    """Is `tx_hash` a valid payment of what is expected, of that order if one is named?

    `consumer` (20 bytes) is set when a yes shall be signed: the contract that may consume it.
    """

    tx_hash: bytes
    expected: Expectation
    order_id: str | None
    consumer: bytes | None = None


def read_question(body: bytes) -> Question:
    """Read the JSON body of a validation.

    Raises:
        RejectedError: `body_malformed`, `field_unknown`, `field_duplicate`, `field_missing`,
            `tx_hash_invalid`, `amount_invalid`, `currency_unknown`, `order_id_invalid`,
            `attest_invalid`, `consumer_invalid` or one of `parse_address`.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RejectedError("body_malformed", "the body is not JSON") from error
    if not isinstance(fields, dict):
        raise RejectedError("body_malformed", "the body must be a JSON object")
    if not fields.keys() <= _FIELDS:
        unknown = min(fields.keys() - _FIELDS)[:60]
        raise RejectedError("field_unknown", f"there is no field {unknown!r}", param=unknown)
    question = Question(
        tx_hash=_read_tx_hash(_required(fields, "txHash")),
        expected=_read_expectation(
            _required(fields, "expectedAmount"), fields.get("currency", "BILL")
        ),
        order_id=_read_order_id(fields.get("orderId")),
        consumer=_read_consumer(fields),
    )
    # No value that has passed holds a colon, so each colon left belongs to a name.
    if body.count(b":") != len(fields):
        raise RejectedError("field_duplicate", "a field is there twice")
    return question


def _required(fields: dict[str, Any], name: str) -> Any:
    try:
        return fields[name]
    except KeyError:
        raise RejectedError("field_missing", f"{name} is missing", param=name) from None


def _read_tx_hash(value: Any) -> bytes:
    if not isinstance(value, str) or _TX_HASH.fullmatch(value) is None:
        raise RejectedError(
            "tx_hash_invalid", "txHash must be a string of 0x and 64 hex digits", param="txHash"
        )
    return bytes.fromhex(value[2:])


def _read_expectation(amount: Any, currency: Any) -> Expectation:
    if not isinstance(amount, str) or len(amount) > _MAX_AMOUNT_CHARACTERS:
        raise RejectedError(
            "amount_invalid",
            'expectedAmount must be a decimal in a string, such as "0.25"',
            param="expectedAmount",
        )
    if currency == "BILL":
        return Expectation(units=parse_bill(amount, param="expectedAmount"))
    if currency == "MYR":
        return Expectation(sen=parse_myr(amount, param="expectedAmount"))
    raise RejectedError("currency_unknown", "currency must be BILL or MYR", param="currency")


def _read_order_id(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or _ORDER_ID.fullmatch(value) is None:
        raise RejectedError(
            "order_id_invalid", "orderId must be an order's id, such as ord_...", param="orderId"
        )
    return value


def _read_consumer(fields: dict[str, Any]) -> bytes | None:
    attests, consumer = fields.get("attest", False), fields.get("consumer")
    if not isinstance(attests, bool):
        raise RejectedError("attest_invalid", "attest must be true or false", param="attest")
    if consumer is None:
        return NO_CONSUMER if attests else None
    if not attests or not isinstance(consumer, str):
        raise RejectedError(
            "consumer_invalid",
            "consumer is the address of a contract, and goes with attest only",
            param="consumer",
        )
    return parse_address(consumer, param="consumer")
