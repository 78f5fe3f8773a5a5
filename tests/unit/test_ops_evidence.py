"""`billcoin-indexer evidence`: what an operator sees of a node that lied."""

import asyncio
import json
from random import Random

import pytest
from typer.testing import CliRunner

from devnet.faulty_node.model import ChainModel
from indexer.__main__ import app
from indexer.source import Evidence
from ledger.header import prove_header
from ledger.store.cursor import register
from ledger.store.evidence import record_evidence
from ledger.store.pool import connect

MODEL = ChainModel(Random(1))  # noqa: S311 - any chain will do
NODE = "http://node.example:8545"


@pytest.fixture
def environment(ledger_url: str) -> dict[str, str]:
    deployment = MODEL.deployment
    return {
        "DATABASE_URL": ledger_url,
        "BILLCOIN_CHAIN_ID": str(deployment.chain_id),
        "BILLCOIN_TOKEN_ADDRESS": f"0x{deployment.token.hex()}",
        "BILLCOIN_VAULT_FACTORY_ADDRESS": f"0x{deployment.vault_factory.hex()}",
        "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": f"0x{deployment.vault_implementation.hex()}",
        "BILLCOIN_TREASURY_ADDRESS": f"0x{deployment.treasury.hex()}",
        "BILLCOIN_NODE_HTTP_URL": NODE,
        "COLUMNS": "200",
    }


async def catch_lies(url: str, count: int) -> None:
    lies = [
        Evidence(NODE, "receipts_root", f"lie {number}", {"answer": "{}"}, 1_750_000_000.0 + number)
        for number in range(count)
    ]
    connection = await connect(url, application_name="test")
    async with connection.transaction():
        await register(connection, MODEL.deployment, anchor=prove_header(MODEL.head.header_json))
        await record_evidence(connection, MODEL.deployment.chain_id, lies)
    await connection.close()


def show(environment: dict[str, str], *options: str) -> str:
    ended = CliRunner().invoke(app, ["evidence", *options], env=environment)
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_without_evidence_it_says_so(environment: dict[str, str]) -> None:
    assert "No node was caught lying." in show(environment)
    assert json.loads(show(environment, "--json")) == {"evidence": []}


def test_the_newest_evidence_comes_first(environment: dict[str, str]) -> None:
    asyncio.run(catch_lies(environment["DATABASE_URL"], 3))
    shown = show(environment, "--limit", "2")
    assert shown.index("lie 2") < shown.index("lie 1")
    assert "lie 0" not in shown
    assert "2025-06-15 15:06:42" in shown
    (first, *others) = json.loads(show(environment, "--json"))["evidence"]
    assert (first["source"], first["code"], first["details"]) == (
        *(NODE, "receipts_root"),
        {"answer": "{}"},
    )
    assert len(others) == 2
