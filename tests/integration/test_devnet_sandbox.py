"""Each situation of the sandbox, on one real chain, gets the answer that it promises."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from market import Market, indexing, open_market
from oracle_support import Client, served, until_journal_is_read

from devnet.databases import fresh_database
from devnet.manifest import write_manifest
from devnet.sandbox import scene as scene_module
from devnet.sandbox.bundle import calls_init_code
from devnet.sandbox.chain_control import blocks_held_back
from devnet.sandbox.run import produce
from devnet.sandbox.situations import SITUATIONS
from devnet.services import console_script
from ledger.errors import RejectedError, TransientError
from ledger.verdict import Code
from oracle_api.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Demo:
    market: Market
    client: Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(postgres_url: str, migrated_template: str) -> AsyncIterator[Demo]:
    """What a demo runs, made once: chain, indexer and oracle."""
    async with (
        fresh_database(postgres_url, template=migrated_template) as url,
        open_market(url) as market,
    ):
        deployment = market.manifest.deployment
        settings = Settings(
            DATABASE_URL=url,
            chain_id=deployment.chain_id,
            token_address=deployment.token,
            vault_factory_address=deployment.vault_factory,
            vault_implementation_address=deployment.vault_implementation,
            treasury_address=deployment.treasury,
            oracle_port=0,
            access="open",
        )
        async with indexing(market), served(settings) as client:
            await market.until_tip()
            await until_journal_is_read(client)
            yield Demo(market, client)


@pytest.mark.parametrize("name", SITUATIONS)
async def test_a_situation_gets_its_answer(demo: Demo, name: str) -> None:
    situation = SITUATIONS[name]
    done = await produce(situation, demo.market.manifest, oracle_url=demo.client.base, api_key=None)
    assert done["answer"]["valid"] is (situation.code == "valid")
    # What is printed can be asked again by anybody, and gets the same answer.
    status, answer, _ = await demo.client.call(
        "POST", "/api/v1/payments/validate", json=done["question"]
    )
    assert (status, answer["verdict"]["code"]) == (200, situation.code)
    assert answer["verdict"]["retryable"] is done["answer"]["retryable"]


async def test_every_code_of_a_verdict_can_be_produced() -> None:
    assert {one.code for one in SITUATIONS.values()} == {str(code) for code in Code}


async def test_the_chain_goes_on_as_before(demo: Demo) -> None:
    node = demo.market.node
    assert await node.call("anvil_getAutomine") is True
    with contextlib.suppress(ZeroDivisionError):
        async with blocks_held_back(node):
            assert await node.call("anvil_getAutomine") is False
            assert 1 // 0
    assert await node.call("anvil_getAutomine") is True


async def test_an_answer_that_never_comes_is_told(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_module, "PATIENCE_SECONDS", 1.0)
    wrong = replace(SITUATIONS["unknown"], code="valid")
    with pytest.raises(TransientError, match="transaction_not_found, not valid"):
        await produce(wrong, demo.market.manifest, oracle_url=demo.client.base, api_key=None)


async def test_the_command_shows_what_it_did(demo: Demo, tmp_path: Path) -> None:
    write_manifest(tmp_path, demo.market.manifest.variables())

    async def run(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            console_script("billcoin-devnet"),
            *("sandbox", *arguments),
            env={"PATH": "", "BILLCOIN_HOME": str(tmp_path), "ORACLE": demo.client.base},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        return process.returncode, out.decode(), error.decode()

    (status, out, error), (listed, codes, _), (refused, _, why) = await asyncio.gather(
        run("underpaid", "--json"), run("--json"), run("spilt")
    )
    assert status == 0, error
    done = json.loads(out)
    assert done["answer"]["error"] == "underpaid"
    assert done["question"]["orderId"] == done["orderIds"][0]
    assert (listed, json.loads(codes)["reorged"]) == (0, "payment_reversed")
    assert refused == 2
    assert "situation_unknown: spilt is none of: paid, " in why


async def test_a_chain_that_takes_nothing_back_says_so(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = demo.market.node
    call = node.call

    async def as_geth(method: str, *params: object) -> object:
        return "Geth/v1" if method == "web3_clientVersion" else await call(method, *params)

    monkeypatch.setattr(node, "call", as_geth)
    with pytest.raises(RejectedError) as refusal:
        async with blocks_held_back(node):
            pass
    assert refusal.value.code == "chain_unsupported"


async def test_a_bundle_is_read_to_its_end() -> None:
    code = calls_init_code(b"\xaa" * 20, [b"\x01" * 4, b"\x02" * 300])
    assert code.endswith(b"\x01" * 4 + b"\x02" * 300)
