"""`billcoin-indexer backfill` and `reindex --swap` write what a quorum has, whoever tells it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from test_many_nodes import SEED, Town, town

from devnet.faulty_node.model import ChainModel
from indexer.deployment_check import find_anchor
from indexer.lead import open_sources
from indexer.sources import NodesDisagreeError

COMMAND = str(Path(sys.executable).with_name("billcoin-indexer"))
MADE_UP_UNITS = 777
BLOCKS = 150


async def backfill(place: Town, *arguments: str, **more: str) -> tuple[int, str, str]:
    return await command(place, "backfill", *arguments, **more)


async def command(place: Town, name: str, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Exit status and what was printed."""
    settings, deployment = place.settings, place.honest.deployment
    process = await asyncio.create_subprocess_exec(
        COMMAND, name, "--json", "--workers", "1", *arguments,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": settings.database_url,
            "BILLCOIN_CHAIN_ID": str(deployment.chain_id),
            "BILLCOIN_TOKEN_ADDRESS": "0x" + deployment.token.hex(),
            "BILLCOIN_VAULT_FACTORY_ADDRESS": "0x" + deployment.vault_factory.hex(),
            "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": "0x" + deployment.vault_implementation.hex(),
            "BILLCOIN_TREASURY_ADDRESS": "0x" + deployment.treasury.hex(),
            "BILLCOIN_NODE_HTTP_URL": ",".join(server.http_url for server in place.servers),
            "BILLCOIN_START_BLOCK": "1",
            **more,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@contextlib.asynccontextmanager
async def odd_town(ledger_url: str) -> AsyncIterator[Town]:
    """Final history on all nodes; the first one's is its own from the second block on."""
    odd = ChainModel(Random(SEED))  # noqa: S311 - wants repeating
    async with town(ledger_url, odd=odd) as place:
        place.mine(BLOCKS)
        odd.reorg(BLOCKS - 1, [[odd.pay(odd.wallets[2], MADE_UP_UNITS)]] * (BLOCKS - 1))
        for model in place.models:
            model.declare(safe=BLOCKS, finalized=BLOCKS)
        yield place


async def amounts(place: Town) -> set[int]:
    rows = await place.ledger.fetch("SELECT DISTINCT amount FROM transfer WHERE block_number > 1")
    return {int(row["amount"]) for row in rows}


async def test_the_first_node_s_own_history_is_not_taken_in_and_the_next_one_is_asked(
    ledger_url: str,
) -> None:
    async with odd_town(ledger_url) as place:
        status, output, errors = await backfill(place)
        assert status == 0, errors
        result = json.loads(output)
        final = place.honest.finalized
        assert (result["tip_number"], result["tip_hash"]) == (BLOCKS, "0x" + final.hash.hex())
        assert result["first_block"] == 1
        counted = await place.ledger.fetchval(
            "SELECT count(*) FROM transfer WHERE block_number > 0"
        )
        assert result["transfers"] == counted
        assert await amounts(place) == {5}
        assert await place.lies() == ["history_conflict"]


@pytest.mark.parametrize("fault", ["http_500", "receipts_wrong"])
async def test_a_first_node_that_fails_or_lies_in_every_answer_makes_room(
    ledger_url: str, fault: str
) -> None:
    async with town(ledger_url) as place:
        place.mine(BLOCKS)
        place.honest.declare(safe=BLOCKS, finalized=BLOCKS)
        place.faulty.faults.turn_on(fault)
        status, _, errors = await backfill(place)
        assert status == 0, errors
        assert await amounts(place) == {5}
        assert len(await place.lies()) == (fault == "receipts_wrong")


async def test_without_a_quorum_nothing_is_written(ledger_url: str) -> None:
    """Of three nodes one is on another chain, and the others have another history each."""
    async with odd_town(ledger_url) as place:
        place.servers[2].node.faults.turn_on("wrong_chain_id")
        status, _, errors = await backfill(place, "--to", str(BLOCKS))
        assert status == 4
        assert "too few nodes have block" in errors
        assert await amounts(place) == set()
        # Neither of the two is more than the other, so that neither is convicted.
        assert await place.lies() == ["wrong_deployment"]


async def test_where_one_node_is_enough_its_word_is_taken(ledger_url: str) -> None:
    async with odd_town(ledger_url) as place:
        status, _, errors = await backfill(place, BILLCOIN_NODES_REQUIRED="1")
        assert status == 0, errors
        assert MADE_UP_UNITS in await amounts(place)


async def test_where_nodes_disagree_on_what_is_final_it_ends_and_says_what_to_do(
    ledger_url: str,
) -> None:
    """Two nodes, of which one is on another chain; it ended well, and had taken in nothing."""
    async with odd_town(ledger_url) as place:
        place.servers[2].node.faults.turn_on("wrong_chain_id")
        status, output, errors = await backfill(place)
        assert (status, output) == (4, "")
        for told in ("depths_disagree", "BILLCOIN_NODE_HTTP_URL", "--to", "docs/operator.md"):
            assert told in errors.splitlines()[-1]
        # What each node said is in the log.
        logged = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
        (told,) = (
            line["claims"]
            for line in logged
            if (line["event"], line.get("depth")) == ("depths_disagree", "finalized")
        )
        assert len(set(told.values())) == 2
        assert await place.ledger.fetchval("SELECT count(*) FROM chain") == 0


async def test_what_one_node_alone_has_replaces_nothing(ledger_url: str) -> None:
    async with odd_town(ledger_url) as place:
        assert (await backfill(place))[0] == 0
        alone, good = (server.http_url for server in place.servers[:2])
        status, output, errors = await command(place, "reindex", "--swap", "--node", alone)
        assert (status, output) == (4, "")
        assert f"too few nodes have block {BLOCKS}" in errors
        assert "--node" in errors
        assert await amounts(place) == {5}
        # Looking does no harm, and a sound node's work is taken.
        status, output, _ = await command(place, "reindex", "--node", alone)
        assert status == 1
        assert json.loads(output)["different_blocks"] > BLOCKS / 2
        status, output, errors = await command(place, "reindex", "--swap", "--node", good)
        assert status == 0, errors
        assert json.loads(output)["swapped"]
        left = await place.ledger.fetchval(
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'billcoin_%'"
        )
        assert left == 0


async def test_a_ledger_begins_at_a_block_that_a_quorum_has(ledger_url: str) -> None:
    async with odd_town(ledger_url) as place:
        token = place.settings.token_address
        async with open_sources(place.settings) as sources:
            assert sources.best is sources.all[0]
            anchor = await find_anchor(sources, token, start_block=6)
            begins = place.honest.at(5)
            assert begins is not None
            assert (anchor.number, anchor.hash) == (5, begins.hash)
            place.servers[2].node.faults.turn_on("http_500")
            with pytest.raises(NodesDisagreeError):
                await find_anchor(sources, token, start_block=6)
