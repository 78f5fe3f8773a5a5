"""docs/till.md says what is so: its commands and its program run."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from oracle_support import Client, Ledger, Pay, tx

GUIDE = (Path(__file__).parents[2] / "docs" / "till.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


async def output_of(*command: str, oracle: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | {"ORACLE": oracle, "TOKEN": "anybody's, since access is open here"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    text, _ = await process.communicate()
    assert process.returncode == 0, text.decode()
    return text.decode()


async def test_the_program_that_follows_a_socket_runs(client: Client) -> None:
    (script,) = blocks("python")
    # One frame is enough to see that it runs.
    script = script.replace('message["id"])', 'message["id"])\n            return')
    text = await output_of(sys.executable, "-W", "error", "-c", script, oracle=client.base)
    assert text == "snapshot 0\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_the_commands_run(client: Client, ledger: Ledger) -> None:
    looking, redeeming, polling = blocks("sh")
    orders = [await client.order(studentId="1211103456") for _ in range(5)]
    await ledger.block(*(Pay(one["orderAddress"], "0.25", tx(one["id"])) for one in orders))
    told = json.loads(await output_of("sh", "-c", looking, oracle=client.base))
    (coupon,) = told["coupons"]
    command = redeeming.replace("$COUPON_ID", coupon["id"])
    used = json.loads(await output_of("sh", "-c", command, oracle=client.base))
    assert used["status"] == "used"
    command = polling.replace("$ORDER_ID", orders[0]["id"]).replace("wait=20", "wait=1")
    assert "200 OK" in await output_of("sh", "-c", command, oracle=client.base)
