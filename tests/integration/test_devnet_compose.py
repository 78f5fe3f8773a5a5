"""The processes of docker-compose.yml, run here without containers: they do come up together."""

import asyncio
import re
from pathlib import Path
from typing import Any

import yaml

from devnet.anvil import anvil_binary
from devnet.node import open_node
from devnet.oracle_client import open_oracle
from devnet.ports import LOOPBACK, free_port
from devnet.process import LeashedProcess
from devnet.services import console_script, run_to_end, service_environment
from ledger.errors import TransientError

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "docker-compose.yml").read_text()
)["services"]


def with_defaults(text: str) -> str:
    """What Compose makes of `${NAME:-default}` when nothing is set; defaults may hold others."""
    while (changed := re.sub(r"\$\{[A-Z_]+:?-([^${}]*)\}", r"\1", text)) != text:
        text = changed
    return text


def start(name: str, here: dict[str, str], tmp_path: Path) -> LeashedProcess:
    service = SERVICES[name]
    program, *arguments = [with_defaults(part) for part in service["command"]]
    environment = {
        variable: with_defaults(str(value))
        for variable, value in service.get("environment", {}).items()
    }
    for there, address in here.items():
        arguments = [argument.replace(there, address) for argument in arguments]
        environment = {n: value.replace(there, address) for n, value in environment.items()}
    return LeashedProcess(
        name,
        [str(anvil_binary()) if program == "anvil" else console_script(program), *arguments],
        log_path=tmp_path / f"{name}.log",
        environment=service_environment({"BILLCOIN_HOME": str(tmp_path)} | environment),
    )


async def until_answered(url: str, process: LeashedProcess) -> None:
    async with asyncio.timeout(30), open_node(url) as node:
        while True:
            process.require_running()
            try:
                await node.quantity("eth_chainId")
            except TransientError:
                await asyncio.sleep(0.05)
            else:
                return


async def until_ready(url: str, processes: list[LeashedProcess]) -> None:
    async with asyncio.timeout(60), open_oracle(url) as oracle:
        while not await oracle.is_ready():
            for process in processes:
                process.require_running()
            await asyncio.sleep(0.05)


async def test_the_processes_of_compose_come_up_together(tmp_path: Path, database_url: str) -> None:
    node, oracle = f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{free_port()}"
    here = {
        "postgresql://billcoin:billcoin@postgres:5432/billcoin": database_url,
        "chain:8545": node,
        "--port=8545": f"--port={node.split(':')[1]}",
        "8400": oracle.split(":")[1],
        "0.0.0.0": LOOPBACK,  # noqa: S104 - replaced, not bound
        "/var/lib/billcoin": str(tmp_path),
    }
    processes = [start("chain", here, tmp_path)]
    try:
        await until_answered(f"http://{node}", processes[0])
        await run_to_end(start("migrate", here, tmp_path))
        # A second `docker compose up` finds the contracts and lets them be.
        for _ in range(2):
            await run_to_end(start("deploy", here, tmp_path))
        await run_to_end(start("keys", here, tmp_path))
        processes += [start(name, here, tmp_path) for name in ("indexer", "oracle")]
        await until_ready(f"http://{oracle}", processes)
        assert "there is a contract at" in (tmp_path / "deploy.log").read_text()
    finally:
        for process in reversed(processes):
            await asyncio.to_thread(process.stop)
    assert (tmp_path / "chain.json").exists()
