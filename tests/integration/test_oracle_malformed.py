"""What is no question: 400 in the shape of US-004, whatever was sent."""

from collections.abc import AsyncIterator
from typing import Any

from oracle_support import (
    ANYWHERE,
    served,
    settings_for,
)

VALIDATE = "/api/v1/payments/validate"
HASH = "0x" + "5c" * 32


MALFORMED: list[tuple[Any, str]] = [
    (b"", "body_malformed"),
    (b"{", "body_malformed"),
    (b"\xff\xfe", "body_malformed"),
    (b"[]", "body_malformed"),
    (b'"x"', "body_malformed"),
    (b"null", "body_malformed"),
    (b"[" * 20_000, "body_malformed"),
    ({}, "field_missing"),
    ({"txHash": HASH}, "field_missing"),
    ({"expectedAmount": "1"}, "field_missing"),
    ({"txHash": HASH[:-2], "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": HASH + "00", "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": HASH[2:], "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": "0x" + "g" * 64, "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": HASH + "\n", "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": 1, "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": None, "expectedAmount": "1"}, "tx_hash_invalid"),
    ({"txHash": [HASH], "expectedAmount": "1"}, "tx_hash_invalid"),
    *(
        ({"txHash": HASH, "expectedAmount": amount}, "amount_invalid")
        for amount in (
            *(1, 0.25, None, True, [], {}),
            *("", " 1", "1 ", "+1", "-1", "01", "1.", ".5", "1e2", "1E2", "0x1", "1,5", "1_0"),
            *("NaN", "Infinity", "٣", "1\n", "0." + "1" * 19, "9" * 79, "1" + "0" * 60),
        )
    ),
    ({"txHash": HASH, "expectedAmount": "1.801", "currency": "MYR"}, "amount_invalid"),
    ({"txHash": HASH, "expectedAmount": "1", "currency": "USD"}, "currency_unknown"),
    ({"txHash": HASH, "expectedAmount": "1", "currency": "bill"}, "currency_unknown"),
    ({"txHash": HASH, "expectedAmount": "1", "currency": None}, "currency_unknown"),
    ({"txHash": HASH, "expectedAmount": "1", "currency": ["BILL"]}, "currency_unknown"),
    ({"txHash": HASH, "expectedAmount": "1", "orderId": "x"}, "order_id_invalid"),
    ({"txHash": HASH, "expectedAmount": "1", "orderId": 7}, "order_id_invalid"),
    ({"txHash": HASH, "expectedAmount": "1", "amount": "1"}, "field_unknown"),
    ({"txHash": HASH, "expectedAmount": "1", "x" * 9000: "1"}, "field_unknown"),
    (
        f'{{"txHash": "{HASH}", "expectedAmount": "1", "expectedAmount": "2"}}'.encode(),
        "field_duplicate",
    ),
    (
        f'{{"txHash": "{HASH}", "expectedAmount": "1", "\\u0074xHash": "{HASH}"}}'.encode(),
        "field_duplicate",
    ),
    (f'{{"txHash": "{HASH}", "expectedAmount": NaN}}'.encode(), "body_malformed"),
]


async def test_every_malformed_question_is_400_with_the_three_fields() -> None:
    async with served(settings_for(ANYWHERE)) as client:
        for body, code in MALFORMED:
            options = {"data": body} if isinstance(body, bytes) else {"json": body}
            status, answer, headers = await client.call("POST", VALIDATE, **options)
            assert (status, answer["code"], answer["error"]) == (400, code, code), body
            assert (answer["valid"], answer["confirmedAt"]) == (False, None)
            assert headers["content-type"] == "application/problem+json"
            assert answer["requestId"] == headers["x-request-id"]
            assert len(answer["detail"]) < 200


async def test_too_large_a_body_is_refused_announced_or_not() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    async with served(settings_for(ANYWHERE)) as client:
        for body in (b" " * (64 * 1024 + 1), trickle()):
            status, answer, _ = await client.call("POST", VALIDATE, data=body)
            assert (status, answer["error"], answer["valid"]) == (413, "body_too_large", False)


async def test_other_methods_are_refused_in_the_same_shape() -> None:
    async with served(settings_for(ANYWHERE)) as client:
        status, answer, headers = await client.call("GET", VALIDATE)
        assert (status, answer["error"], answer["valid"]) == (405, "method_not_allowed", False)
        assert headers["allow"] == "POST"
