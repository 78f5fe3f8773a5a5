"""A key makes one thing, for the account that sent it, for a day."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ledger.errors import RejectedError
from ledger.store.idempotency import KEPT, IdempotencyKey, claim_key, forget_keys
from ledger.store.pool import Connection, connect, open_pool

NOW = datetime(2026, 4, 10, 8, 15, tzinfo=UTC)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url, application_name="test")
    try:
        yield connection
    finally:
        await connection.close()


async def claim(
    connection: Connection,
    made: str,
    *,
    account: str = "acc_1",
    request: bytes = b"a milk",
    now: datetime = NOW,
) -> str | None:
    key = IdempotencyKey(account, "one", request)
    async with connection.transaction():
        return await claim_key(connection, key, resource_id=made, now=now)


async def refusal(connection: Connection, made: str, request: bytes = b"a milk") -> str:
    with pytest.raises(RejectedError) as refused:
        await claim(connection, made, request=request)
    assert refused.value.param == "Idempotency-Key"
    return refused.value.code


async def test_the_same_request_gives_what_it_made_the_first_time(ledger_url: str) -> None:
    async with connected(ledger_url) as connection:
        assert await claim(connection, "ord_1") is None
        assert await claim(connection, "ord_2") == "ord_1"
        assert await refusal(connection, "ord_3", b"two milks") == "idempotency_key_reused"
        # Another account's key of that name is another key.
        assert await claim(connection, "ord_4", account="acc_2", request=b"two milks") is None


async def test_after_a_day_the_key_is_free_again(ledger_url: str) -> None:
    async with connected(ledger_url) as connection:
        await claim(connection, "ord_1")
        almost = NOW + KEPT - timedelta(seconds=1)
        assert await claim(connection, "ord_2", now=almost) == "ord_1"
        assert await forget_keys(connection, now=almost) == 0
        # Also before anybody has swept it out.
        assert await claim(connection, "ord_3", request=b"two milks", now=NOW + KEPT) is None
        assert await claim(connection, "ord_4", request=b"two milks", now=NOW + KEPT) == "ord_3"
        assert await forget_keys(connection, now=NOW + 2 * KEPT) == 1


async def test_what_fails_leaves_the_key_free(ledger_url: str) -> None:
    async with connected(ledger_url) as connection:
        key = IdempotencyKey("acc_1", "one", b"a milk")
        transaction = connection.transaction()
        await transaction.start()
        await claim_key(connection, key, resource_id="ord_1", now=NOW)
        await transaction.rollback()
        assert await claim(connection, "ord_2") is None


async def test_while_the_first_is_in_flight_the_second_is_told_so(ledger_url: str) -> None:
    async with connected(ledger_url) as first, connected(ledger_url) as second:
        key = IdempotencyKey("acc_1", "one", b"a milk")
        async with first.transaction():
            await claim_key(first, key, resource_id="ord_1", now=NOW)
            assert await refusal(second, "ord_2") == "idempotency_key_in_flight"
            assert await claim(second, "ord_3", account="acc_2") is None
        assert await claim(second, "ord_4") == "ord_1"


async def test_a_process_that_dies_leaves_no_key_in_flight_for_ever(ledger_url: str) -> None:
    async with connected(ledger_url) as second:
        first = await connect(ledger_url, application_name="test")
        await first.execute("BEGIN")
        key = IdempotencyKey("acc_1", "one", b"a milk")
        await claim_key(first, key, resource_id="ord_1", now=NOW)
        first.terminate()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await claim(second, "ord_2") is None
                except RejectedError:
                    await asyncio.sleep(0.01)
                else:
                    break


async def test_of_many_at_once_one_makes_it(ledger_url: str) -> None:
    pool = await open_pool(ledger_url, application_name="test", max_size=8)

    async def attempt(number: int) -> str | None:
        async with pool.acquire() as connection:
            try:
                return await claim(connection, f"ord_{number}")  # type: ignore[arg-type]
            except RejectedError as error:
                return error.code

    answers = await asyncio.gather(*(attempt(number) for number in range(64)))
    await pool.close()
    assert answers.count(None) == 1
    made = f"ord_{answers.index(None)}"
    assert set(answers) <= {None, made, "idempotency_key_in_flight"}
