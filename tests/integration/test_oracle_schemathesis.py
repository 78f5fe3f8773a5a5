"""Schemathesis asks every route everything that OpenAPI allows, and much that it does not."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from oracle_support import Ledger
from whole_oracle import everybody, paid_order, prices, whole_oracle

HERE = Path(__file__).parent
SEED = int(os.environ.get("BILLCOIN_SCHEMATHESIS_SEED", "20261124"))
EXAMPLES = int(os.environ.get("BILLCOIN_SCHEMATHESIS_EXAMPLES", "3"))


async def schemathesis(
    base: str, *options: str, folder: Path, own_account: str = ""
) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{base}/openapi.json", "--seed", str(SEED), "--max-examples", str(EXAMPLES)),
        *("--workers", "2"),
        *options,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": str(HERE),
            "OWN_ACCOUNT": own_account,
        },
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    print(f"seed {SEED}: {said.splitlines()[-1]}")  # noqa: T201 - what was tried, for `-rP`
    return process.returncode, said.decode()


@pytest.mark.timeout(600)
async def test_everything_with_all_roles(ledger: Ledger, tmp_path: Path) -> None:
    async with whole_oracle(ledger, tmp_path) as guarded:
        person = await everybody(guarded)
        await paid_order(ledger, person)
        await prices(ledger)
        status, said = await schemathesis(
            guarded.client.base,
            *("--header", f"Authorization: Bearer {person.credential}"),
            folder=tmp_path,
            own_account=person.account_id,
        )
        assert status == 0, said
        headers = {"Authorization": f"Bearer {person.credential}"}
        me, _, _ = await guarded.client.call("GET", "/api/v1/accounts/me", headers=headers)
        assert me == 200, "it shut itself out, and asked the rest as nobody"


@pytest.mark.timeout(600)
async def test_everything_without_credentials(ledger: Ledger, tmp_path: Path) -> None:
    async with whole_oracle(ledger, tmp_path) as guarded:
        await prices(ledger)
        status, said = await schemathesis(
            guarded.client.base, "--phases", "examples,fuzzing", folder=tmp_path
        )
        assert status == 0, said
