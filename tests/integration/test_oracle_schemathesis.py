"""Schemathesis asks every route everything that OpenAPI allows, and much that it does not."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from oracle_support import Ledger
from test_oracle_economy import accepted
from whole_oracle import everybody, paid_order, prices, whole_oracle

from ledger.store.flags import raise_flag

HERE = Path(__file__).parent
SEED = int(os.environ.get("BILLCOIN_SCHEMATHESIS_SEED", "20261124"))
MOST_LINKS = 60
EXAMPLES = int(os.environ.get("BILLCOIN_SCHEMATHESIS_EXAMPLES", "3"))


def _environment() -> dict[str, str]:
    """Without coverage's: it would make slow what runs nothing of ours."""
    return {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


async def schemathesis(
    base: str, *options: str, folder: Path, own_account: str = ""
) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{base}/openapi.json", "--seed", str(SEED), "--max-examples", str(EXAMPLES)),
        # Python 3.11 may fail when two threads parse code at once, as Hypothesis would here.
        *("--workers", "1"),
        *options,
        env=_environment()
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
    text = said.decode()
    # What was tried, for `-rP`.
    tried = re.findall(r"(?:API Links: .*|\d+ generated.*|.* in [\d.]+s =)", text)
    print(f"seed {SEED}: {tried}")  # noqa: T201
    if process.returncode:
        # What failed comes last: of a long log perhaps only the end is kept.
        print(failures_in(text))  # noqa: T201
    return process.returncode, text


def failures_in(text: str) -> str:
    """The parts that name each operation which failed, and what it answered, in lines of bounds."""
    parts = re.findall(
        r"^=+ (?:ERRORS|FAILURES) =+$(.*?)(?=^===|\Z)", text, re.MULTILINE | re.DOTALL
    )
    return "\n".join(line[:1000] for line in "".join(parts or [text]).splitlines())


@pytest.mark.timeout(600)
async def test_everything_with_all_roles(ledger: Ledger, tmp_path: Path) -> None:
    async with whole_oracle(ledger, tmp_path) as guarded:
        person = await everybody(guarded)
        await paid_order(ledger, person)
        await prices(ledger)
        await ledger.block(accepted(1, 10))
        await raise_flag(
            ledger.connection,
            new_id="flg_" + "0" * 26,
            subject=person.account_id,
            reason="failed_validations",
            failures=4,
            now=datetime.now(UTC),
        )
        status, said = await schemathesis(
            guarded.client.base,
            *("--header", f"Authorization: Bearer {person.credential}"),
            # Every example is sent and compared in test_oracle_openapi.py.
            *("--phases", "coverage,fuzzing,stateful"),
            folder=tmp_path,
            own_account=person.account_id,
        )
        assert status == 0, failures_in(said)
        # Which links it follows is chance beside its seed; that it follows most is not.
        followed, known = map(int, re.findall(r"API Links: +(\d+) covered / (\d+) sel", said)[0])
        assert known >= MOST_LINKS
        assert followed > known / 2, said
        headers = {"Authorization": f"Bearer {person.credential}"}
        me, _, _ = await guarded.client.call("GET", "/api/v1/accounts/me", headers=headers)
        assert me == 200, "it shut itself out, and asked the rest as nobody"


@pytest.mark.timeout(600)
async def test_everything_without_credentials(ledger: Ledger, tmp_path: Path) -> None:
    async with whole_oracle(ledger, tmp_path) as guarded:
        await prices(ledger)
        status, said = await schemathesis(
            guarded.client.base, "--phases", "fuzzing", folder=tmp_path
        )
        assert status == 0, failures_in(said)
