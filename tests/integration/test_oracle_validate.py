"""Validation: exactly US-004, and the payments of DESIGN.md's failure table."""

import asyncio
import time

import pytest
from oracle_support import (
    DEPLOYMENT,
    Client,
    Ledger,
    Pay,
    tx,
)

VALIDATE = "/api/v1/payments/validate"
HASH = "0x" + "5c" * 32


async def test_a_valid_payment_is_answered_as_us_004_says(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    block = await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    confirmed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(block.timestamp))
    assert await client.validate(tx(1)) == {
        "valid": True,
        "confirmedAt": confirmed,
        "error": None,
        "verdict": {
            "orderId": order["id"],
            "status": "paid",
            "code": "valid",
            "finality": "included",
            "confirmations": 1,
            "blockNumber": block.number,
            "blockHash": "0x" + block.hash.hex(),
            "asOf": {
                "blockNumber": block.number,
                "blockHash": "0x" + block.hash.hex(),
                "timestamp": confirmed,
                "blocksBehind": 0,
                "finalizedBlockNumber": block.number - 1,
            },
            "nodesAgreeing": 1,
            "nodesAsked": 1,
            "verification": "full",
            "retryable": False,
        },
    }


async def test_the_hash_may_be_of_mixed_case_and_the_amount_in_ringgit(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    digits = tx(1).hex()
    assert (await client.validate("0x" + digits.upper()))["valid"]
    assert (await client.validate("0x" + digits[:32].upper() + digits[32:]))["valid"]
    assert (await client.validate(tx(1), "1.80", currency="MYR"))["valid"]
    assert (await client.validate(tx(1), "1.8", currency="MYR", orderId=order["id"]))["valid"]
    assert (await client.validate(tx(1), "0.250000000000000000", orderId=None))["valid"]


async def test_a_transaction_nobody_has_seen_may_still_come(client: Client) -> None:
    answer = await client.validate(tx("unseen"))
    assert (answer["valid"], answer["error"]) == (False, "transaction_not_found")
    assert answer["verdict"]["retryable"] is True
    assert answer["confirmedAt"] is None


async def test_another_expected_amount_is_a_mismatch_whatever_was_paid(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.3", tx(1)))
    for amount in ("0.3", "0.250000000000000001", "0", "1" + "0" * 58):
        assert (await client.validate(tx(1), amount))["error"] == "amount_mismatch"
    assert (await client.validate(tx(1), "1.81", currency="MYR"))["error"] == "amount_mismatch"
    assert (await client.validate(tx(1)))["valid"]
    assert (await client.get(order["id"]))["amountOwedBack"] == "0.05"


async def test_an_underpaid_order_becomes_valid_with_the_rest(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.2", tx(1)))
    answer = await client.validate(tx(1))
    assert (answer["error"], answer["verdict"]["status"]) == ("underpaid", "underpaid")
    await ledger.block(Pay(order["orderAddress"], "0.05", tx(2)))
    assert (await client.validate(tx(1)))["error"] == "part_payment"
    assert (await client.validate(tx(2)))["valid"]


async def test_a_second_payer_is_a_duplicate_and_owed_back(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(2)))
    assert (await client.validate(tx(1)))["valid"]
    assert (await client.validate(tx(2)))["error"] == "duplicate_payment"
    assert (await client.get(order["id"]))["amountOwedBack"] == "0.25"


async def test_a_late_payment_is_late_by_its_blocks_time(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    late = int(time.time()) + 901
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)), timestamp=late)
    answer = await client.validate(tx(1))
    assert (answer["error"], answer["verdict"]["status"]) == ("paid_late", "paid_late")
    assert answer["verdict"]["retryable"] is False


async def test_a_payment_after_cancellation_is_refused(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await client.call("POST", f"/api/v1/orders/{order['id']}/cancel")
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    assert (await client.validate(tx(1)))["error"] == "order_cancelled"


@pytest.mark.parametrize("recipient", [DEPLOYMENT.token, DEPLOYMENT.treasury, b"\x77" * 20])
async def test_a_transfer_to_no_order_is_not_for_an_order(
    client: Client, ledger: Ledger, recipient: bytes
) -> None:
    await ledger.block(Pay(recipient, "0.25", tx(1)))
    assert (await client.validate(tx(1)))["error"] == "not_for_an_order"


async def test_a_zero_value_transfer_is_no_payment(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0", tx(1)))
    assert (await client.validate(tx(1)))["error"] == "underpaid"


async def test_one_transaction_that_pays_two_orders_must_be_asked_by_order(
    client: Client, ledger: Ledger
) -> None:
    one, other = await client.order(), await client.order("3.60")
    await ledger.block(
        Pay(one["orderAddress"], "0.25", tx(1)), Pay(other["orderAddress"], "0.5", tx(1))
    )
    assert (await client.validate(tx(1)))["error"] == "order_ambiguous"
    assert (await client.validate(tx(1), orderId=one["id"]))["valid"]
    assert (await client.validate(tx(1), "0.5", orderId=other["id"]))["valid"]
    assert (await client.validate(tx(1), orderId=other["id"]))["error"] == "amount_mismatch"


async def test_two_transfers_in_one_transaction_add_up(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(
        Pay(order["orderAddress"], "0.1", tx(1)), Pay(order["orderAddress"], "0.15", tx(1))
    )
    assert (await client.validate(tx(1)))["valid"]


async def test_the_named_order_must_be_the_paid_one_and_must_exist(
    client: Client, ledger: Ledger
) -> None:
    paid, other = await client.order(), await client.order()
    await ledger.block(Pay(paid["orderAddress"], "0.25", tx(1)))
    assert (await client.validate(tx(1), orderId=other["id"]))["error"] == "order_mismatch"
    unknown = "ord_" + "0" * 26
    for tx_hash in (tx(1), tx("unseen")):
        answer = await client.validate(tx_hash, orderId=unknown)
        assert (answer["error"], answer["verdict"]["orderId"]) == ("order_not_found", unknown)


async def test_a_large_order_awaits_its_depth(client: Client, ledger: Ledger) -> None:
    order = await client.order("60.00")
    due = order["amountDue"]
    block = await ledger.block(Pay(order["orderAddress"], due, tx(1)))
    answer = await client.validate(tx(1), due)
    assert (answer["error"], answer["verdict"]["status"]) == ("awaiting_finality", "detected")
    assert answer["verdict"]["retryable"] is True
    await ledger.deepen(safe=block)
    answer = await client.validate(tx(1), due)
    assert (answer["valid"], answer["verdict"]["finality"]) == (True, "safe")


async def test_a_reorganisation_reverses_and_reinclusion_restores(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    pay = Pay(order["orderAddress"], "0.25", tx(1))
    await ledger.block(pay)
    await ledger.reorganise(1, [], [])
    answer = await client.validate(tx(1))
    assert (answer["valid"], answer["error"]) == (False, "payment_reversed")
    assert (await client.get(order["id"]))["status"] == "reversed"
    block = await ledger.block(pay)
    answer = await client.validate(tx(1))
    assert (answer["valid"], answer["verdict"]["blockNumber"]) == (True, block.number)


async def test_a_reorganisation_that_pays_another_order_moves_the_answer(
    client: Client, ledger: Ledger
) -> None:
    first, second = await client.order(), await client.order()
    await ledger.block(Pay(first["orderAddress"], "0.25", tx(1)))
    await ledger.reorganise(1, [Pay(second["orderAddress"], "0.25", tx(1))])
    answer = await client.validate(tx(1))
    assert (answer["valid"], answer["verdict"]["orderId"]) == (True, second["id"])
    assert (await client.validate(tx(1), orderId=first["id"]))["error"] == "order_mismatch"


async def test_a_thousand_questions_at_once_get_one_answer(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    answers = await asyncio.gather(*(client.validate(tx(1)) for _ in range(1000)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["valid"]


async def test_a_question_asked_after_a_block_never_misses_it(
    client: Client, ledger: Ledger
) -> None:
    async def ask_for_ever() -> None:
        while True:
            await client.validate(tx("noise"))

    noise = [asyncio.create_task(ask_for_ever()) for _ in range(20)]
    for number in range(20):
        order = await client.order()
        await ledger.block(Pay(order["orderAddress"], "0.25", tx(number)))
        assert (await client.validate(tx(number)))["valid"]
    for task in noise:
        task.cancel()
    await asyncio.gather(*noise, return_exceptions=True)
