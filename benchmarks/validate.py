"""How long the oracle takes to answer whether a payment is valid."""

import asyncio

import orjson

from benchmarks.bench_stack import BenchStack
from benchmarks.figures import Figure, percentiles, say
from benchmarks.http_load import Connection, closed_loop, open_connection, open_loop, request
from ledger.units import BILL_DECIMALS, format_decimal

TILLS = 200
SECONDS = 20
_PAYMENTS = 50
_VISIBLE_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.05


async def measure_validate(stack: BenchStack) -> list[Figure]:
    """`validate.open_loop_latency_ms`: 200 tills, one validation of a paid order a second each.

    `validate.closed_loop_rps`: as many as 200 connections get that ask again once answered, the
    load generator on the same processors. Floors: the same server process answering a constant
    (`/healthz`) in the same way; of the second, a higher one is the better.
    """
    say(f"validate: {TILLS} tills, twice for {SECONDS} s, and the same for the floors ...")
    questions = await paid_questions(stack, _PAYMENTS)
    connections = [await open_connection(stack.oracle_url) for _ in range(TILLS)]
    await open_loop(connections, questions, seconds=2)
    latencies = await open_loop(connections, questions, seconds=SECONDS)
    constant = [request("GET", stack.oracle_url, "/healthz")]
    floor = await open_loop(connections, constant, seconds=SECONDS)
    answers = await closed_loop(connections, questions, seconds=SECONDS)
    constants = await closed_loop(connections, constant, seconds=SECONDS)
    for connection in connections:
        connection.transport.close()
    return [
        Figure("validate.open_loop_latency_ms", percentiles(latencies), "ms", percentiles(floor)),
        Figure("validate.closed_loop_rps", round(answers), "1/s", round(constants)),
    ]


async def paid_questions(stack: BenchStack, count: int, *, name: str = "validate") -> list[bytes]:
    """Requests that ask about payments which the ledger holds; every answer is "valid"."""
    orders = [await stack.order(f"{name}-{index}") for index in range(count)]
    hashes = [
        await stack.node.call("eth_sendRawTransaction", stack.sign_transfer(address, units))
        for _, address, units in orders
    ]
    await stack.node.call("evm_mine")
    bodies = [
        orjson.dumps(
            {"txHash": tx_hash, "expectedAmount": format_decimal(units, decimals=BILL_DECIMALS)}
        )
        for tx_hash, (_, _, units) in zip(hashes, orders, strict=True)
    ]
    questions = [
        request("POST", stack.oracle_url, "/api/v1/payments/validate", body) for body in bodies
    ]
    connection = await open_connection(stack.oracle_url)
    async with asyncio.timeout(_VISIBLE_TIMEOUT_SECONDS):
        for question in questions:
            while not await _is_valid(connection, question):  # noqa: ASYNC110 - another process
                await asyncio.sleep(_POLL_SECONDS)
    connection.transport.close()
    return questions


async def _is_valid(connection: Connection, question: bytes) -> bool:
    _, body = await connection.send(question)
    return bool(orjson.loads(body)["valid"])
