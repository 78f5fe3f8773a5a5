"""A devnet that runs for real, used through its public commands only."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from devnet.background.people import PASSWORD
from devnet.node import open_node
from devnet.oracle_client import OracleClient, open_oracle
from devnet.services import console_script

# Real clients on a machine that others use as well: what is awaited comes, or it is a failure.
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.25


@dataclass
class Devnet:
    """One `billcoin-devnet`, in a home of its own."""

    home: Path
    arguments: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)

    async def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """One command: its exit status, output and errors."""
        process = await asyncio.create_subprocess_exec(
            console_script("billcoin-devnet"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ
            | {"BILLCOIN_HOME": str(self.home), "BILLCOIN_WALLET_PASSWORD": PASSWORD}
            | self.settings
            | variables,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def do(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """One command that must succeed, and its JSON."""
        started = time.monotonic()
        code, out, err = await self.run(*arguments, "--json", **variables)
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s {' '.join(arguments)[:60]}\n")
        assert code == 0, (arguments, code, out, err, self.log_ends())
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
        return answer

    async def up(self) -> dict[str, Any]:
        """On real proof of stake."""
        return await self.do("up", "--profile", "pos", *self.arguments)

    async def status(self) -> dict[str, Any]:
        return await self.do("status")

    def variables(self) -> dict[str, str]:
        stored: dict[str, str] = json.loads((self.home / "manifest.json").read_text())
        return stored

    def oracle(self) -> AbstractAsyncContextManager[OracleClient]:
        """The devnet's oracle, as the partner that `up` made."""
        names = self.variables()
        return open_oracle(names["BILLCOIN_ORACLE_URL"], api_key=names["BILLCOIN_API_KEY"])

    def log_ends(self) -> str:
        ends = [
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-12:])
            for path in sorted((self.home / "devnet" / "logs").glob("*.log"))
        ]
        return "\n".join(ends)

    async def pay(self, order: dict[str, Any], **variables: str) -> dict[str, Any]:
        return await self.do(
            "wallet", "pay", order["paymentUri"], "--name", "student", "--yes", **variables
        )


@asynccontextmanager
async def running(devnet: Devnet) -> AsyncIterator[Devnet]:
    """The devnet for the length of the block; nothing of it is left afterwards."""
    try:
        await devnet.up()
        yield devnet
        # Shown with a test that failed: the logs are deleted.
        sys.stdout.write(devnet.log_ends())
    finally:
        await devnet.run("reset", "--yes")


async def until(what: str, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the answer is something; the first such answer."""
    started = time.monotonic()
    deadline = started + PATIENCE_SECONDS
    while True:
        answer = await ask()
        if answer:
            sys.stdout.write(f"{time.monotonic() - started:6.1f} s until {what}\n")
            return answer
        assert time.monotonic() < deadline, f"{what} did not come"
        await asyncio.sleep(POLL_SECONDS)


class Till:
    """What a till hears on the order stream, with the time at which it did."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, str]] = []
        self._told = asyncio.Condition()

    async def listen(self, oracle: OracleClient, connected: asyncio.Event) -> None:
        async with aclosing(oracle.order_events(connected=connected)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.type.startswith("order."):
                    data = json.loads(event.data)["data"]
                    async with self._told:
                        self.heard.append(
                            (time.perf_counter(), data["orderId"], str(data["status"]))
                        )
                        self._told.notify_all()

    def statuses(self, order: dict[str, Any]) -> list[str]:
        """The statuses of an order in the order in which they were told, without repeats."""
        told = [status for _, order_id, status in self.heard if order_id == order["id"]]
        return [
            status for place, status in enumerate(told) if place == 0 or told[place - 1] != status
        ]

    async def hears(self, order: dict[str, Any], *statuses: str) -> float:
        """When the order first had one of these statuses."""

        def found() -> float | None:
            times = (
                at for at, name, told in self.heard if name == order["id"] and told in statuses
            )
            return next(times, None)

        started = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS), self._told:
            await self._told.wait_for(lambda: found() is not None)
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s until the till heard {statuses}\n")
        at = found()
        assert at is not None
        return at


@asynccontextmanager
async def open_till(oracle: OracleClient) -> AsyncIterator[Till]:
    """A till that listens for the length of the block."""
    till, connected = Till(), asyncio.Event()
    listening = asyncio.create_task(till.listen(oracle, connected))
    try:
        await connected.wait()
        yield till
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def height(url: str, tag: str = "latest") -> int:
    hydrated = False
    async with open_node(url) as node:
        block = await node.call("eth_getBlockByNumber", tag, hydrated)
    return 0 if block is None else int(block["number"], 16)


async def order_status(oracle: OracleClient, order: dict[str, Any]) -> str:
    return str((await oracle.order(order["id"]))["status"])


async def readiness(oracle_url: str) -> dict[str, Any]:
    """What an oracle says of itself: `status` is `ready`, or `code` says why it is not."""
    async with aiohttp.ClientSession() as session, session.get(f"{oracle_url}/readyz") as reply:
        body: dict[str, Any] = await reply.json(content_type=None)
        return body


async def is_ready(oracle_url: str) -> bool:
    return (await readiness(oracle_url)).get("status") == "ready"


async def until_settled(devnet: Devnet, order: dict[str, Any]) -> None:
    async def settled() -> bool:
        async with devnet.oracle() as oracle:
            return await order_status(oracle, order) == "settled"

    await until("the settlement", settled)


def listening_addresses(pids: set[int]) -> set[str]:
    """The addresses at which these processes listen (TCP) or are bound (UDP); Linux only."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
            except OSError:
                continue
            if found:
                inodes.add(found[1])
    addresses = set()
    for table, states in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[9] in inodes and parts[3] == states:
                addresses.add(parts[1].split(":")[0])
    return addresses
