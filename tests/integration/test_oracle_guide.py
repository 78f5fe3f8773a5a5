"""docs/partner.md says what is so: its commands run, its codes are ours."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from demo_support import Demo, open_demo
from market import wait_for
from partner_guide import (
    GUIDE,
    command,
    inline_commands,
    names_that_no_test_takes,
    unnamed_blocks,
)

from devnet.sandbox.run import produce
from devnet.sandbox.situations import SITUATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", GUIDE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    home = tmp_path_factory.mktemp("demo")
    async with open_demo(module_ledger_url, home=home) as opened:
        yield opened


async def start(demo: Demo, *program: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *program,
        env=demo.environment(),
        cwd=demo.home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def output_of(demo: Demo, *program: str) -> str:
    process = await start(demo, *program)
    text, _ = await process.communicate()
    assert process.returncode == 0, text.decode()
    return text.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_from_zero_to_a_validated_payment(demo: Demo) -> None:
    script = (
        command("find the oracle")
        + command("make an order")
        + command("pay an order")
        + command("ask whether it is paid")
    )
    made, paid, answer = (await output_of(demo, "sh", "-e", "-c", script)).splitlines()
    assert '"status":"awaiting_payment"' in made
    assert '"txHash"' in paid
    assert answer.startswith('{"valid":true,')


async def test_the_same_in_python(demo: Demo) -> None:
    script = command("sell with the client")
    process = await start(demo, sys.executable, "-W", "error", "-c", script)
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    assert first.startswith("pay ethereum:0x"), first + (await process.stdout.read()).decode()
    await output_of(
        demo, "billcoin-devnet", "wallet", "pay", "--name", "student", "--yes", first.split()[1]
    )
    rest = (await process.stdout.read()).decode().splitlines()
    assert await process.wait() == 0, rest
    assert rest[0].startswith("hand over valid 20")
    assert re.fullmatch(r"signed for 250000000000000000 units by 0x[0-9a-fA-F]{40}", rest[1])


async def test_try_every_answer(demo: Demo) -> None:
    said = await output_of(demo, "sh", "-c", command("try an answer"))
    assert said.endswith("the oracle says: not valid: underpaid\n")
    rows = re.findall(
        r"^\| `(.+)` \| `(.+)` \| (.+) \|$", sections()["Try every answer"], re.MULTILINE
    )
    assert rows == [(one.name, one.code, one.summary) for one in SITUATIONS.values()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_refunds(demo: Demo) -> None:
    promise, record = command("ask for a refund"), command("record a refund")
    base, key = demo.client.base, demo.accounts.api_key
    done = await produce(
        SITUATIONS["duplicate"], demo.market.manifest, oracle_url=base, api_key=key
    )
    # What is refunded has to be final: four blocks deep on this chain.
    await demo.market.mine(5)
    tip = await demo.market.until_tip()

    async def is_final() -> bool:
        number = await demo.market.ledger.fetchval("SELECT finalized_number FROM chain")
        return bool(number >= tip - 4)

    await wait_for(is_final, "finality")
    order_id = done["orderIds"][0]
    finance = demo.accounts.finance
    grant = {"grant_type": "password", "username": finance.name, "password": finance.password}
    status, granted, _ = await demo.client.call("POST", "/api/v1/tokens", json=grant)
    assert status == 200, granted
    token = granted["access_token"]

    async def run(script: str, **variables: str) -> dict[str, Any]:
        exports = "".join(f"export {name}={value}; " for name, value in variables.items())
        answer: dict[str, Any] = json.loads(await output_of(demo, "sh", "-c", exports + script))
        return answer

    refund = await run(promise, ORDER_ID=order_id, TOKEN=token)
    assert refund["status"] == "requested", refund
    sent = await run(record, ORDER_ID=order_id, REFUND_ID=refund["id"], TOKEN=token)
    assert sent["status"] == "sent", sent


async def test_every_command_of_the_guide_is_run_by_some_test() -> None:
    assert unnamed_blocks() == []
    assert names_that_no_test_takes() == set()
    # A command that stands in a sentence would be run by none.
    assert inline_commands() == ["billcoin-devnet sandbox"]


async def test_links_inside_the_guide_lead_somewhere() -> None:
    anchors = {name.lower().replace(" ", "-") for name in sections()}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", GUIDE)) <= anchors
