"""Each situation of the sandbox, on one real chain, gets the answer that it promises."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from demo_support import Demo, open_demo

from devnet.sandbox import scene as scene_module
from devnet.sandbox.bundle import calls_init_code
from devnet.sandbox.chain_control import blocks_held_back
from devnet.sandbox.run import produce
from devnet.sandbox.situations import SITUATIONS
from devnet.services import console_script
from ledger.errors import RejectedError, TransientError
from ledger.verdict import Code

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(
    module_ledger_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Demo]:
    home = tmp_path_factory.mktemp("demo")
    async with open_demo(module_ledger_url, home=home) as opened:
        yield opened


@pytest.mark.parametrize("name", SITUATIONS)
async def test_a_situation_gets_its_answer(demo: Demo, name: str) -> None:
    situation = SITUATIONS[name]
    key = demo.accounts.api_key
    done = await produce(situation, demo.market.manifest, oracle_url=demo.client.base, api_key=key)
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
    key = demo.accounts.api_key
    with pytest.raises(TransientError, match="transaction_not_found, not valid"):
        await produce(wrong, demo.market.manifest, oracle_url=demo.client.base, api_key=key)


async def test_without_a_key_it_says_where_to_get_one(demo: Demo) -> None:
    paid, url = SITUATIONS["paid"], demo.client.base
    with pytest.raises(RejectedError, match="BILLCOIN_API_KEY") as refusal:
        await produce(paid, demo.market.manifest, oracle_url=url, api_key=None)
    assert refusal.value.code == "credentials_missing"


async def test_the_command_shows_what_it_did(demo: Demo) -> None:
    async def run(*arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            console_script("billcoin-devnet"),
            *("sandbox", *arguments),
            env=demo.environment(),
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
