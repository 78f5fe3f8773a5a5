"""`billcoin-devnet faulty-node`: a node that lies on demand, to develop an indexer against."""

import asyncio
import contextlib
import json
import signal
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any

import typer

from devnet.console import say
from devnet.faulty_node.bloom import BloomKind
from devnet.faulty_node.catalogue import FAULTS
from devnet.faulty_node.model import ChainModel, model_deployment
from devnet.faulty_node.node import FaultyNode
from devnet.faulty_node.server import FaultyServer, serve
from devnet.faulty_node.switches import FaultSwitches
from devnet.wallet_commands import Json
from ledger.errors import RejectedError
from ledger.json_hex import to_hex

_CONFIRMATIONS_SAFE = 8
_CONFIRMATIONS_FINAL = 16
_OPTIONS = {"probability": float, "times": int, "amount": int}


@dataclass(frozen=True)
class _Plan:
    seed: int
    port: int
    block_time_seconds: float
    bloom_kind: BloomKind
    faults: tuple[str, ...]
    as_json: bool

    async def run(self) -> None:
        random = Random(self.seed)  # noqa: S311 - a seed must give the same chain again
        model = ChainModel(random, bloom_kind=self.bloom_kind)
        node = FaultyNode(model, FaultSwitches(self.seed))
        for text in self.faults:
            turn_on_from_text(node.faults, text)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with serve(node, port=self.port) as server:
            self._announce(server)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self.block_time_seconds or None)
                if not stop.is_set():
                    _grow(model)

    def _announce(self, server: FaultyServer) -> None:
        variables = environment(server)
        if self.as_json:
            say(json.dumps(variables | {"faults": list(server.node.faults.names())}))
            return
        say("\n".join(f"export {name}={value}" for name, value in variables.items()))
        say(f"# faults: {', '.join(server.node.faults.names()) or 'none'}; Ctrl-C stops")


def faulty_node(
    *,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME[,probability=P][,times=N][,amount=N][,method=M]; repeat for several."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same chain.")] = 0,
    block_time: Annotated[
        float, typer.Option(min=0, help="Seconds between blocks; 0 waits for faulty_mine.")
    ] = 2.0,
    bloom: Annotated[BloomKind, typer.Option(help="Which blooms the chain has.")] = BloomKind.TRUE,
    names: Annotated[bool, typer.Option("--list", help="List the faults and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Run a valid synthetic chain behind a node with faults; docs/faults.md has the table."""
    if names:
        say("\n".join(f"{item.name:28} {item.happens}" for item in FAULTS))
        return
    plan = _Plan(seed, port, block_time, bloom, tuple(fault or ()), as_json)
    asyncio.run(plan.run())


def environment(server: FaultyServer) -> dict[str, str]:
    """What an indexer has to be told to follow this node, as environment variables."""
    deployment = model_deployment()
    return {
        "BILLCOIN_CHAIN_ID": str(deployment.chain_id),
        "BILLCOIN_TOKEN_ADDRESS": to_hex(deployment.token),
        "BILLCOIN_VAULT_FACTORY_ADDRESS": to_hex(deployment.vault_factory),
        "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": to_hex(deployment.vault_implementation),
        "BILLCOIN_TREASURY_ADDRESS": to_hex(deployment.treasury),
        "BILLCOIN_NODE_HTTP_URL": server.http_url,
        "BILLCOIN_NODE_WS_URL": server.ws_url,
    }


def turn_on_from_text(faults: FaultSwitches, text: str) -> None:
    """Switch on what `NAME,probability=0.5,times=3,amount=2,method=eth_getLogs` says.

    Raises:
        RejectedError: `fault_option_invalid`, or as `FaultSwitches.turn_on`.
    """
    name, *options = text.split(",")
    numbers: dict[str, Any] = {}
    methods: list[str] = []
    for option in options:
        key, _, value = option.partition("=")
        try:
            if key == "method":
                methods.append(value)
            else:
                numbers[key] = _OPTIONS[key](value)
        except (KeyError, ValueError) as error:
            raise RejectedError(
                "fault_option_invalid", f"{option!r} is no option of a fault", param="fault"
            ) from error
    faults.turn_on(name, methods=methods or None, **numbers)


def _grow(model: ChainModel) -> None:
    """The next block, in which one wallet pays another, and the depths that follow from it."""
    model.mine([model.pay(model.wallets[-1], 10**18)])
    model.declare(
        safe=max(model.safe.number, model.head.number - _CONFIRMATIONS_SAFE),
        finalized=max(model.finalized.number, model.head.number - _CONFIRMATIONS_FINAL),
    )
