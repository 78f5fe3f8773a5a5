"""docker-compose.yml names only commands, options and variables that exist."""

import importlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from devnet.dev_accounts import DEPLOYER_INDEX, TREASURY_INDEX, dev_account
from devnet.economy import deployed_at
from devnet.transactions import address_of
from ledger.keccak import keccak256
from ledger.order_address import implementation_address
from ledger.payment_uri import format_address

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
OURS = {name: service for name, service in SERVICES.items() if service.get("build")}
# Set on the command line of `docker compose`, read by nobody but the file itself.
PUBLISHED = {
    "BILLCOIN_DATABASE_PASSWORD",
    "BILLCOIN_DATABASE_PORT",
    "BILLCOIN_NODE_PORT",
    "BILLCOIN_ORACLE_DATABASE_PASSWORD",
    "BILLCOIN_ORACLE_DATABASE_URL",
}


def billcoin_commands() -> list[tuple[str, list[str]]]:
    found = []
    for name, service in OURS.items():
        commands = [service["command"], service.get("healthcheck", {}).get("test", [])[1:]]
        found += [(name, c) for c in commands if c and c[0].startswith("billcoin-")]
    return found


def settings_variables(script: str) -> set[str]:
    """Every variable that a service's own settings read."""
    names: set[str] = set()
    package = SCRIPTS[script].split(".")[0]
    if package == "devnet":
        command = typer.main.get_command(importlib.import_module("devnet.__main__").app)
        for parameter in command.commands["deploy"].params:  # type: ignore[attr-defined]
            names |= {str(parameter.envvar)} if parameter.envvar else set()
        return names
    module = importlib.import_module(f"{package}.settings")
    for kind in vars(module).values():
        if not (isinstance(kind, type) and hasattr(kind, "model_fields")):
            continue
        prefix = kind.model_config.get("env_prefix", "")
        for field, info in kind.model_fields.items():
            names.add(str(info.validation_alias or f"{prefix}{field.upper()}"))
    return names


def test_the_processes_of_the_demo_are_all_there() -> None:
    assert set(SERVICES) == {
        "postgres",
        "chain",
        "deploy",
        "oracle-role",
        "migrate",
        "indexer",
        "oracle",
        "jobs",
        "keys",
    }


@pytest.mark.parametrize(("service", "command"), billcoin_commands())
def test_command_and_subcommand_exist(service: str, command: list[str]) -> None:
    script, subcommand, *options = command
    module, function = SCRIPTS[script].split(":")
    main = importlib.import_module(module)
    assert callable(getattr(main, function)), service
    group: Any = typer.main.get_command(main.app)
    assert subcommand in group.commands, service
    found = group.commands[subcommand]
    while options and options[0] in getattr(found, "commands", {}):
        found = found.commands[options.pop(0)]
    known = {name for parameter in found.params for name in parameter.opts}
    assert {option.split("=")[0] for option in options} <= known, service


@pytest.mark.parametrize("name", [name for name, _ in billcoin_commands()])
def test_every_variable_is_one_that_the_settings_read(name: str) -> None:
    script = SERVICES[name]["command"][0]
    assert set(SERVICES[name]["environment"]) <= settings_variables(script)


@pytest.mark.parametrize("name", ["indexer", "oracle", "jobs", "migrate"])
def test_every_setting_without_default_is_given(name: str) -> None:
    package = SCRIPTS[SERVICES[name]["command"][0]].split(".")[0]
    module = importlib.import_module(f"{package}.settings")
    kind = getattr(
        module,
        {
            "indexer": "IndexerSettings",
            "oracle": "Settings",
            "jobs": "Settings",
            "migrate": "DatabaseSettings",
        }[name],
    )
    needed = {
        str(info.validation_alias or f"BILLCOIN_{field.upper()}")
        for field, info in kind.model_fields.items()
        if info.is_required()
    }
    assert needed <= set(SERVICES[name]["environment"])


def database_of(name: str) -> str:
    """The service's `DATABASE_URL` as the file has it: a variable, and what it is without."""
    return str(SERVICES[name]["environment"]["DATABASE_URL"])


def test_the_oracle_and_its_jobs_have_a_role_of_their_own_and_not_the_owner_s() -> None:
    (role,) = (
        option.removeprefix("--oracle-role=")
        for option in SERVICES["migrate"]["command"]
        if option.startswith("--oracle-role=")
    )
    made = SERVICES["oracle-role"]["command"][-1]
    assert f"CREATE ROLE {role} LOGIN" in made
    for name in ("oracle", "jobs"):
        assert f"://{role}:" in database_of(name)
        # Neither the owner's URL nor its password is within their reach.
        text = str(SERVICES[name])
        assert "://billcoin:" not in text
        assert "{DATABASE_URL" not in text
        assert "{BILLCOIN_DATABASE_PASSWORD" not in text
        assert "migrate" in SERVICES[name]["depends_on"]
    assert "oracle-role" in SERVICES["migrate"]["depends_on"]
    assert (
        database_of("migrate")
        == database_of("oracle-role")
        == database_of("indexer")
        != database_of("oracle")
    )


def test_variables_that_compose_itself_reads_are_known() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    known = set().union(*(settings_variables(script) for script in SCRIPTS))
    assert named - PUBLISHED <= known


def test_default_addresses_are_those_of_a_fresh_chain() -> None:
    deployer = address_of(dev_account(DEPLOYER_INDEX))
    # keccak256(rlp([deployer, nonce])), for the nonces 0 and 1.
    token, factory = (
        keccak256(b"\xd6\x94" + deployer + nonce)[-20:] for nonce in (b"\x80", b"\x01")
    )
    expected = {
        "TOKEN": token,
        "VAULT_FACTORY": factory,
        "VAULT_IMPLEMENTATION": implementation_address(factory=factory),
        "TREASURY": address_of(dev_account(TREASURY_INDEX)),
    }
    environment = SERVICES["oracle"]["environment"]
    for name, address in expected.items():
        variable = f"BILLCOIN_{name}_ADDRESS"
        assert environment[variable] == f"${{{variable}:-{format_address(address)}}}"


def test_default_addresses_of_the_economy_are_those_of_a_fresh_chain() -> None:
    deployer = address_of(dev_account(DEPLOYER_INDEX))
    environment = SERVICES["indexer"]["environment"]
    # Behind token and factory comes the programme's money, then these.
    names = ("MINTING_MODULE", "MILK_MARKET", "MILK_PRICE_FEED", "STANDING_ORDERS")
    for nonce, name in enumerate(names, start=3):
        variable = f"BILLCOIN_{name}_ADDRESS"
        address = format_address(deployed_at(deployer, nonce))
        assert environment[variable] == f"${{{variable}-{address}}}"


def test_long_running_services_have_health_checks() -> None:
    for name in ("postgres", "chain", "indexer", "oracle", "jobs"):
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_dependencies_name_services_and_volumes_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]


def test_images_are_built_from_stages_and_folders_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert {service["build"]["target"] for service in OURS.values()} <= stages
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    copied = set(re.findall(r"^COPY (\w+) \w+$", text, re.MULTILINE))
    assert copied == {name.removesuffix("*") for name in packages["packages"]["find"]["include"]}


def test_docker_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("docker is not installed")
    probe = subprocess.run(  # noqa: S603 - a fixed command
        [docker, "compose", "version"], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0:
        pytest.skip(f"docker compose is not installed: {probe.stderr.strip()}")
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    result = subprocess.run(  # noqa: S603 - a fixed command
        [docker, "compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
