"""Validation: exactly US-004, the failure table of DESIGN.md, and never a yes in doubt."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from oracle_support import (
    DEPLOYMENT,
    Client,
    Ledger,
    Pay,
    open_ledger,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)

VALIDATE = "/api/v1/payments/validate"
HASH = "0x" + "5c" * 32


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as ledger:
        yield ledger


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[Client]:
    async with served(settings_for(ledger.url)) as client:
        await until_journal_is_read(client)
        yield client


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
    assert (await client.validate(tx(1)))["valid"]
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


@pytest.fixture(scope="module")
def anywhere() -> str:
    """A database that is not there: a malformed question must not even look for it."""
    return "postgresql://nobody@127.0.0.1:1/nothing"


async def test_every_malformed_question_is_400_with_the_three_fields(anywhere: str) -> None:
    async with served(settings_for(anywhere)) as client:
        for body, code in MALFORMED:
            options = {"data": body} if isinstance(body, bytes) else {"json": body}
            status, answer, headers = await client.call("POST", VALIDATE, **options)
            assert (status, answer["code"], answer["error"]) == (400, code, code), body
            assert (answer["valid"], answer["confirmedAt"]) == (False, None)
            assert headers["content-type"] == "application/problem+json"
            assert answer["requestId"] == headers["x-request-id"]
            assert len(answer["detail"]) < 200


async def test_too_large_a_body_is_refused_announced_or_not(anywhere: str) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    async with served(settings_for(anywhere)) as client:
        for body in (b" " * (64 * 1024 + 1), trickle()):
            status, answer, _ = await client.call("POST", VALIDATE, data=body)
            assert (status, answer["error"], answer["valid"]) == (413, "body_too_large", False)


async def test_other_methods_are_refused_in_the_same_shape(anywhere: str) -> None:
    async with served(settings_for(anywhere)) as client:
        status, answer, headers = await client.call("GET", VALIDATE)
        assert (status, answer["error"], answer["valid"]) == (405, "method_not_allowed", False)
        assert headers["allow"] == "POST"


async def test_without_a_database_the_answer_is_503_and_no(anywhere: str) -> None:
    async with served(settings_for(anywhere)) as client:
        status, answer, headers = await client.call(
            "POST", VALIDATE, json={"txHash": HASH, "expectedAmount": "1"}
        )
        assert status == 503
        assert answer == answer | {
            "valid": False,
            "confirmedAt": None,
            "error": "database_unavailable",
            "retryable": True,
        }
        assert int(headers["retry-after"]) >= 1


async def spoil_silence(ledger: Ledger) -> None:
    await ledger.observe(age=11)


async def spoil_head(ledger: Ledger) -> None:
    await ledger.observe(head=ledger.tip.number + 6)


async def spoil_halt(ledger: Ledger) -> None:
    await ledger.halt("finality_conflict")


async def spoil_nodes(ledger: Ledger) -> None:
    await ledger.observe(agreeing=0)


async def spoil_observation(ledger: Ledger) -> None:
    await ledger.connection.execute("DELETE FROM observation")


async def spoil_tip(ledger: Ledger) -> None:
    await ledger.connection.execute("UPDATE chain SET tip_timestamp = tip_timestamp - 120")


DOUBTS = [
    (spoil_silence, "indexer_silent"),
    (spoil_head, "ledger_behind"),
    (spoil_halt, "indexer_halted"),
    (spoil_nodes, "nodes_disagree"),
    (spoil_observation, "ledger_empty"),
    (spoil_tip, "chain_stalled"),
]


@pytest.mark.parametrize(("spoil", "code"), DOUBTS)
async def test_in_doubt_a_paid_order_is_not_confirmed_and_ready_says_why(
    client: Client, ledger: Ledger, spoil: Any, code: str
) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    assert (await client.validate(tx(1)))["valid"]
    assert (await client.call("GET", "/readyz"))[0] == 200
    await spoil(ledger)
    status, answer = await client.ask(tx(1))
    assert (status, answer["valid"], answer["error"]) == (503, False, code)
    status, problem, headers = await client.call("GET", "/readyz")
    assert (status, problem["code"]) == (503, code)
    assert "retry-after" in headers


async def test_a_waiting_question_is_answered_when_the_payment_lands(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    waiting = [asyncio.create_task(client.validate(tx(1), prefer="wait=20")) for _ in range(50)]
    await asyncio.sleep(0.2)
    await ledger.block()
    await asyncio.sleep(0.2)
    assert not any(task.done() for task in waiting)
    started = time.monotonic()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    answers = await asyncio.gather(*waiting)
    assert time.monotonic() - started < 2
    assert all(answer["valid"] for answer in answers)


async def test_a_waiting_question_is_woken_by_depth_alone(client: Client, ledger: Ledger) -> None:
    order = await client.order("60.00")
    due = order["amountDue"]
    block = await ledger.block(Pay(order["orderAddress"], due, tx(1)))
    waiting = asyncio.create_task(client.validate(tx(1), due, prefer="wait=20"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await ledger.deepen(safe=block)
    async with asyncio.timeout(2):
        assert (await waiting)["valid"]


async def test_a_wait_ends_with_its_time_and_with_the_settings(ledger: Ledger) -> None:
    async with served(settings_for(ledger.url, max_wait_seconds=1)) as client:
        started = time.monotonic()
        answer = await client.validate(tx(1), prefer="wait=600")
        assert answer["error"] == "transaction_not_found"
        assert 0.9 < time.monotonic() - started < 3


async def test_only_an_answer_that_may_change_is_waited_for(client: Client, ledger: Ledger) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)), Pay(b"\x77" * 20, "1", tx(2)))
    async with asyncio.timeout(3):
        assert (await client.validate(tx(1), prefer="wait=20"))["valid"]
        assert (await client.validate(tx(1), "9", prefer="wait=20"))["error"] == "amount_mismatch"
        assert (await client.validate(tx(2), prefer="wait=20"))["error"] == "not_for_an_order"


async def test_the_ledger_may_come_later_than_the_oracle(database_url: str) -> None:
    from migrations import upgrade  # noqa: PLC0415 - used by this test alone

    async with served(settings_for(database_url)) as client:

        async def code() -> str:
            status, answer = await client.ask(tx(1))
            assert status == 503
            ready, problem, _ = await client.call("GET", "/readyz")
            assert (ready, problem["code"]) == (503, answer["error"])
            assert (await client.call("GET", "/healthz"))[0] == 200
            return str(answer["error"])

        assert await code() == "ledger_not_migrated"
        await upgrade(database_url)
        assert await code() == "ledger_empty"
        status, problem, _ = await client.call(
            "POST", "/api/v1/orders", json={"amountMyr": "1"}, headers={"Idempotency-Key": "k"}
        )
        assert (status, problem["code"]) == (503, "ledger_empty")
        async with open_ledger(database_url) as ledger:
            order = await client.order()
            await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
            assert (await client.validate(tx(1)))["valid"]
            await until_journal_is_read(client)
            assert (await client.call("GET", "/readyz"))[0] == 200


async def test_a_ledger_of_other_contracts_is_refused(ledger: Ledger) -> None:
    settings = settings_for(ledger.url, token_address=b"\x09" * 20)
    async with served(settings) as client:
        status, answer = await client.ask(tx(1))
        assert (status, answer["error"]) == (503, "deployment_mismatch")
        status, problem, _ = await client.call("GET", "/readyz")
        assert (status, problem["code"]) == (503, "deployment_mismatch")
        status, problem, _ = await client.call(
            "POST", "/api/v1/orders", json={"amountMyr": "1"}, headers={"Idempotency-Key": "k"}
        )
        assert (status, problem["code"]) == (503, "deployment_mismatch")


async def test_cut_connections_are_made_again_without_an_error_to_the_asker(
    client: Client, ledger: Ledger
) -> None:
    order = await client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    assert (await client.validate(tx(1)))["valid"]
    for _ in range(3):
        await ledger.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'billcoin-oracle' AND datname = current_database()"
        )
        assert (await client.validate(tx(1)))["valid"]


async def test_an_error_of_ours_is_500_and_leaks_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("oracle_api.payments.service.judge", explode)
    monkeypatch.setattr("oracle_api.orders.endpoints.list_by_status", explode)
    status, answer = await client.ask(tx(1))
    assert (status, answer["valid"], answer["error"]) == (500, False, "internal_error")
    assert "secret" not in str(answer)
    status, problem, headers = await client.call("GET", "/api/v1/orders")
    assert (status, problem["code"]) == (500, "internal_error")
    assert "secret" not in str(problem)
    assert problem["requestId"] == headers["x-request-id"]


async def test_a_client_that_goes_away_while_it_waits_disturbs_nobody(client: Client) -> None:
    with pytest.raises(TimeoutError):
        await client.call(
            "POST",
            VALIDATE,
            json={"txHash": HASH, "expectedAmount": "1"},
            headers={"Prefer": "wait=2"},
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
    assert (await client.validate(tx(1)))["error"] == "transaction_not_found"
