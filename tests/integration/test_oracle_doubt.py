"""In doubt the answer is 503 and no: never a stale yes, never a leak."""

from typing import Any

import pytest
from oracle_support import (
    ANYWHERE,
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


async def test_without_a_database_the_answer_is_503_and_no() -> None:
    async with served(settings_for(ANYWHERE)) as client:
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
