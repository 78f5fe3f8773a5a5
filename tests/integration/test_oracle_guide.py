"""docs/partner.md says what is so: its commands run, its codes are ours."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from demo_support import Demo, open_demo
from market import wait_for

from devnet.sandbox.run import produce
from devnet.sandbox.situations import SITUATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

GUIDE = (Path(__file__).parents[2] / "docs" / "partner.md").read_text(encoding="utf-8")
OURS = (
    "From zero to a validated payment in five minutes",
    "The same in Python",
    "Try every answer",
    "Refunds",
)
"""The sections whose commands run here, in a demo."""

THEIRS = {
    "Who you are": "test_access_guide.py",
    "Paying without gas": "test_relay.py",
    "Webhooks": "test_webhook_guide.py",
}
"""The sections whose commands need more than a demo, and the tests that run them."""


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", GUIDE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", sections()[section], re.DOTALL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    home = tmp_path_factory.mktemp("demo")
    async with open_demo(module_ledger_url, home=home) as opened:
        yield opened


async def start(demo: Demo, *command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        env=demo.environment(),
        cwd=demo.home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def output_of(demo: Demo, *command: str) -> str:
    process = await start(demo, *command)
    text, _ = await process.communicate()
    assert process.returncode == 0, text.decode()
    return text.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_from_zero_to_a_validated_payment(demo: Demo) -> None:
    script = "".join(blocks(OURS[0], "sh"))
    made, paid, answer = (await output_of(demo, "sh", "-e", "-c", script)).splitlines()
    assert '"status":"awaiting_payment"' in made
    assert '"txHash"' in paid
    assert answer.startswith('{"valid":true,')


async def test_the_same_in_python(demo: Demo) -> None:
    (script,) = blocks(OURS[1], "python")
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
    (command,) = blocks(OURS[2], "sh")
    said = await output_of(demo, "sh", "-c", command)
    assert said.endswith("the oracle says: not valid: underpaid\n")
    rows = re.findall(r"^\| `(.+)` \| `(.+)` \| (.+) \|$", sections()[OURS[2]], re.MULTILINE)
    assert rows == [(one.name, one.code, one.summary) for one in SITUATIONS.values()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_refunds(demo: Demo) -> None:
    promise, record = blocks(OURS[3], "sh")
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

    async def run(command: str, **variables: str) -> dict[str, Any]:
        exports = "".join(f"export {name}={value}; " for name, value in variables.items())
        answer: dict[str, Any] = json.loads(await output_of(demo, "sh", "-c", exports + command))
        return answer

    refund = await run(promise, ORDER_ID=order_id, TOKEN=token)
    assert refund["status"] == "requested", refund
    sent = await run(record, ORDER_ID=order_id, REFUND_ID=refund["id"], TOKEN=token)
    assert sent["status"] == "sent", sent


async def test_every_command_of_the_guide_is_run_by_some_test() -> None:
    with_commands = {name for name in sections() if blocks(name, "sh") or blocks(name, "python")}
    assert with_commands == {*OURS, *THEIRS}
    for name, module in THEIRS.items():
        text = (Path(__file__).parent / module).read_text(encoding="utf-8")
        assert "partner.md" in text, (name, module)


async def test_links_inside_the_guide_lead_somewhere() -> None:
    anchors = {name.lower().replace(" ", "-") for name in sections()}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", GUIDE)) <= anchors
