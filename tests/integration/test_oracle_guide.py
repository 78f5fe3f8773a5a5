"""docs/partner.md says what is so: its commands run, its codes are ours."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from oracle_support import open_ledger, served, settings_for

GUIDE = (Path(__file__).parents[2] / "docs" / "partner.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


async def output_of(*command: str, oracle: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | {"ORACLE": oracle},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    text, _ = await process.communicate()
    assert process.returncode == 0, text.decode()
    return text.decode()


async def test_the_python_of_the_guide_runs(ledger_url: str) -> None:
    script = next(block for block in blocks("python") if "ORACLE" in block)
    async with open_ledger(ledger_url), served(settings_for(ledger_url)) as client:
        # Nobody pays in this test, so it need not wait.
        script = script.replace("wait=5", "wait=0")
        text = await output_of(sys.executable, "-W", "error", "-c", script, oracle=client.base)
    assert re.fullmatch(r"0\.25 BILL to 0x[0-9a-fA-F]{40}\nFalse transaction_not_found\n", text), (
        text
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_the_commands_of_the_guide_run(ledger_url: str) -> None:
    # The others are run where what they need is there: a chain, a key, a refund.
    wanted = ('/api/v1/orders" ', "/payments/validate")
    commands = [block for block in blocks("sh") if any(one in block for one in wanted)]
    assert len(commands) == 2
    async with open_ledger(ledger_url), served(settings_for(ledger_url)) as client:
        made, asked = [
            await output_of("sh", "-c", command, oracle=client.base) for command in commands
        ]
    assert '"status":"awaiting_payment"' in made
    assert '"error":"transaction_not_found"' in asked


def test_every_code_that_we_send_is_in_the_guide() -> None:
    sent: set[str] = set()
    for path in (Path(__file__).parents[2] / "oracle_api").rglob("*.py"):
        sent.update(
            re.findall(
                r"(?:RejectedError|UnavailableError|DeniedError|ThrottledError|problem"
                r'|invalid|forbidden)\(\s*(?:\d+,\s*)?"([a-z_]+)"',
                path.read_text(encoding="utf-8"),
            )
        )
    # Never sent over HTTP, or only while nobody can ask.
    sent -= {"setting_wrong", "shutting_down", "journal_unread", "file_unwritable"}
    assert len(sent) > 15
    assert {code for code in sent if f"`{code}`" not in GUIDE} == set()
