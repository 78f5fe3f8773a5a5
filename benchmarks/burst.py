"""How long it takes until all tills know of thousands of orders that one block pays."""

import asyncio
import statistics

from benchmarks.bench_stack import BenchStack, fund, in_haste
from benchmarks.figures import Figure, say
from benchmarks.follow import ChainClock
from benchmarks.tills import Tills, bare_fan_out
from devnet.transactions import require_success
from ledger.json_hex import read_data

ORDERS = 5_000
TILLS = 200
ROUNDS = 3
_TIMEOUT_SECONDS = 60.0
_ORDERED_AT_ONCE = 32
# With thousands of transactions in a block this node takes longer to answer than we to prove:
# its receipts cost it the square of their number.
_PAYMENTS_PER_TRANSACTION = 250
_GAS_PER_PAYMENT_UNITS = 60_000
_DEPLOYMENT_GAS_UNITS = 200_000
# Enough for all payments of a round to be final before the next, which exposure limits look at.
_BLOCKS_TO_FINALITY = 8


async def measure_burst(stack: BenchStack) -> list[Figure]:
    """`orders.burst_5000_ms`: 5,000 open orders are paid in one block, 200 tills listen.

    From when the node has the block until every till has read "Paid" for all of them; the median
    of three blocks. `orders.burst_5000_commit_ms` is the part until the commit. The floor is to
    fetch the block, to commit 5,000 bare rows and to write the same bytes to 200 bare sockets.
    """
    say(f"burst: {ROUNDS} blocks of {ORDERS} payments, {TILLS} tills ...")
    told_all, committed, floors, commit_floors = [], [], [], []
    async with (
        ChainClock(stack) as clock,
        Tills(stack.oracle_url, TILLS) as tills,
        bare_fan_out(TILLS) as bare,
    ):
        payer = await _deploy_payer(stack)
        for number in range(ROUNDS):
            raw_transactions = await _prepare(stack, payer, f"burst-{number}")
            told = tills.expect(ORDERS)
            height, available_at = await clock.mine(raw_transactions)
            told_at = await asyncio.wait_for(told, _TIMEOUT_SECONDS)
            told_all.append(max(told_at) - available_at)
            committed.append(await clock.committed_at(height) - available_at)
            commit_floors.append(await clock.bare_commit(height, rows=ORDERS))
            floors.append(commit_floors[-1] + await bare(tills.last_message * ORDERS))
            say(f"  told after {told_all[-1]:.3f} s, committed after {committed[-1]:.3f} s")
            await stack.node.call("anvil_mine", hex(_BLOCKS_TO_FINALITY))
            await clock.committed_at(height + _BLOCKS_TO_FINALITY)
    return [
        _median(f"orders.burst_{ORDERS}_ms", told_all, floors),
        _median(f"orders.burst_{ORDERS}_commit_ms", committed, commit_floors),
    ]


def _median(name: str, samples: list[float], floors: list[float]) -> Figure:
    value, floor = (round(statistics.median(one) * 1000, 1) for one in (samples, floors))
    return Figure(name, value, "ms", floor)


async def _prepare(stack: BenchStack, payer: bytes, name: str) -> list[str]:
    """A round's orders, and the signed transactions that pay them all."""
    orders: list[tuple[str, bytes, int]] = []
    async with in_haste(stack):
        for start in range(0, ORDERS, _ORDERED_AT_ONCE):
            part = range(start, min(start + _ORDERED_AT_ONCE, ORDERS))
            orders += await asyncio.gather(*(stack.order(f"{name}-{place}") for place in part))
    raw_transactions = []
    for start in range(0, ORDERS, _PAYMENTS_PER_TRANSACTION):
        paid = orders[start : start + _PAYMENTS_PER_TRANSACTION]
        data = b"".join(bytes(12) + to + units.to_bytes(32, "big") for _, to, units in paid)
        gas_units = _GAS_PER_PAYMENT_UNITS * len(paid)
        raw_transactions.append(stack.sign(payer, data, gas_units=gas_units))
    return raw_transactions


async def _deploy_payer(stack: BenchStack) -> bytes:
    """A contract with a million BILL that pays whom it is told to, and blocks with room for it."""
    await stack.node.call("evm_setBlockGasLimit", hex(_GAS_PER_PAYMENT_UNITS * (ORDERS + 1)))
    code = _payer_code(stack.manifest.deployment.token)
    raw = stack.sign(None, code, gas_units=_DEPLOYMENT_GAS_UNITS)
    tx_hash = read_data(await stack.node.call("eth_sendRawTransaction", raw), field="hash")
    await stack.node.call("evm_mine")
    payer = require_success(await stack.node.receipt(tx_hash)).contract
    if payer is None:
        raise RuntimeError("the payer was not deployed")
    await fund(stack, payer)
    await stack.node.call("evm_mine")
    return payer


def _payer_code(token: bytes) -> bytes:
    """Calls `transfer` for each pair of words (recipient, amount) that it is called with.

    Written as instructions, for the project's compiler is no dependency of its benchmarks.
    """
    head = bytes.fromhex("63 a9059cbb 60e0 1b 5f 52 5f")  # the selector; then where we read
    arguments = bytes.fromhex("5b 80 35 6004 52 80 6020 01 35 6024 52")
    call = bytes.fromhex("5f 5f 6044 5f 5f 73") + token + bytes.fromhex("5a f1 50")
    again = bytes.fromhex("6040 01 80 36 11 60") + bytes((len(head),)) + bytes.fromhex("57 00")
    runtime = head + arguments + call + again
    return bytes.fromhex(f"60{len(runtime):02x} 80 6009 5f 39 5f f3") + runtime
