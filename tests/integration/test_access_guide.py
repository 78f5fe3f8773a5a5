"""What docs/partner.md says about who you are runs."""

import asyncio
import json
import os
import re
import shutil
from typing import Any

import pytest
from access_support import PASSWORD, Guarded
from partner_guide import GUIDE, command

from oracle_api.access.principal import Role, Scope


def section() -> str:
    found = re.search(r"^## Who you are\n(.*?)^## ", GUIDE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


async def answer_of(script: str, **variables: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script),
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_the_guide_s_commands_run(guarded: Guarded) -> None:
    listing, signing_in = command("list orders with a key"), command("sign in")
    shop = await guarded.account("shop", Role.PARTNER)
    key = (await guarded.program(shop, Scope.ORDERS_READ)).credential
    oracle = guarded.client.base
    assert (await answer_of(listing, ORACLE=oracle, BILLCOIN_API_KEY=key))["data"] == []
    tokens = await answer_of(signing_in, ORACLE=oracle, NAME="shop", PASSWORD=PASSWORD)
    assert tokens["expires_in"] == 900


def test_every_scope_is_in_the_guide() -> None:
    assert set(re.findall(r"^\| `([a-z:]+)` \|", section(), re.MULTILINE)) == set(Scope)
