"""`billcoin-indexer audit` of a part of history against a node that is not ours."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from market import wait_for

from devnet.faulty_node.model import ChainModel
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from indexer.lead import lead_forever
from indexer.settings import IndexerSettings
from ledger.json_hex import to_hex
from ledger.store.pool import connect

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
BLOCKS = 30
FIRST_OTHER_BLOCK = 22


@dataclass
class Place:
    """A ledger of `ours`; `other` left that chain before block 22."""

    ours: FaultyServer
    other: FaultyServer
    environment: dict[str, str]

    async def audit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [COMMAND, "audit", "--workers", "1", *arguments],
            env={"PATH": os.environ["PATH"]} | self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def a_chain() -> ChainModel:
    """The same blocks each time."""
    model = ChainModel(Random(9))  # noqa: S311 - wants repeating
    while model.head.number < BLOCKS:
        model.mine([model.pay(model.wallets[1], model.head.number)])
    return model


@pytest.fixture
async def place(ledger_url: str) -> AsyncIterator[Place]:
    chain, left = a_chain(), a_chain()
    left.reorg(
        BLOCKS - FIRST_OTHER_BLOCK + 1,
        [[left.pay(left.wallets[2], 7)] for _ in range(FIRST_OTHER_BLOCK, BLOCKS + 1)],
    )
    async with AsyncExitStack() as exits:
        ours, other = [
            await exits.enter_async_context(serve(FaultyNode(model))) for model in (chain, left)
        ]
        deployment = chain.deployment
        settings = {
            "chain_id": str(deployment.chain_id),
            "token_address": to_hex(deployment.token),
            "vault_factory_address": to_hex(deployment.vault_factory),
            "vault_implementation_address": to_hex(deployment.vault_implementation),
            "treasury_address": to_hex(deployment.treasury),
            "node_http_url": ours.http_url,
            "start_block": "1",
        }
        await index(IndexerSettings(DATABASE_URL=ledger_url, **settings), ledger_url)
        environment = {f"BILLCOIN_{name.upper()}": value for name, value in settings.items()}
        yield Place(ours, other, environment | {"DATABASE_URL": ledger_url})


async def index(settings: IndexerSettings, ledger_url: str) -> None:
    """Take in all blocks, and stop."""
    ledger = await connect(ledger_url, application_name="test")
    task = asyncio.create_task(lead_forever(settings))

    async def is_there() -> bool:
        return bool(await ledger.fetchval("SELECT tip_number = $1 FROM chain", BLOCKS))

    await wait_for(is_there, "the history")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await ledger.close()


def report_of(ended: subprocess.CompletedProcess[str], *, status: int) -> dict[str, Any]:
    assert ended.returncode == status, ended.stdout + ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


async def test_the_first_block_that_another_node_has_otherwise_is_found(place: Place) -> None:
    part = ("--from", "15", "--to", "25", "--json")
    asked = await place.audit(*part, "--node", place.other.http_url)
    report = report_of(asked, status=1)
    assert report["verdict"] == "different"
    assert report["node"] == place.other.http_url
    assert (report["first_block"], report["last_block"]) == (15, 25)
    assert report["ledger_blocks"] == report["node_blocks"] == 11
    assert report["first_difference"] == FIRST_OTHER_BLOCK
    numbers = [item["block_number"] for item in report["differences"]]
    assert sorted(set(numbers)) == [22, 23, 24, 25]
    rows = {
        (item["side"], item["row"]["amountUnits"])
        for item in report["differences"]
        if item["table"] == "transfer" and item["block_number"] == FIRST_OTHER_BLOCK
    }
    assert rows == {("ledger", str(FIRST_OTHER_BLOCK - 1)), ("node", "7")}
    # Our own node has every block as the ledger has it.
    report = report_of(await place.audit(*part), status=0)
    assert (report["verdict"], report["node"]) == ("identical", place.ours.http_url)


async def test_what_both_nodes_have_alike_is_found_identical(place: Place) -> None:
    asked = await place.audit(
        "--from", "5", "--to", str(FIRST_OTHER_BLOCK - 1), "--node", place.other.http_url, "--json"
    )
    report = report_of(asked, status=0)
    assert report["verdict"] == "identical"
    assert report["first_difference"] is None
    assert report["ledger_digest"] == report["node_digest"]
    assert report["node_transfers"] == FIRST_OTHER_BLOCK - 5


async def test_another_node_that_lies_about_a_block_is_no_verdict(place: Place) -> None:
    place.other.node.faults.turn_on("receipts_wrong")
    asked = await place.audit("--from", "15", "--to", "25", "--node", place.other.http_url)
    assert asked.returncode == 4
    assert "identical" not in asked.stdout
    assert "different" not in asked.stdout
