"""Who may import whom: the contracts in pyproject.toml, as `make lint` checks them."""

import subprocess
import sys
from pathlib import Path

from importlinter.api import read_configuration
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_every_import_contract_is_kept() -> None:
    status = lint_imports(config_filename=str(PYPROJECT), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS


def test_the_contracts_say_what_the_design_says() -> None:
    layers, purity, client = read_configuration(str(PYPROJECT))["contracts_options"]
    assert layers["type"] == "layers"
    assert layers["layers"] == ["indexer : oracle_api : devnet", "contracts", "ledger"]
    assert purity["type"] == "forbidden"
    impure = {"asyncio", "asyncpg", "aiohttp", "sqlalchemy", "socket", "time", "random", "secrets"}
    assert set(purity["forbidden_modules"]) >= impure
    assert client["source_modules"] == ["billcoin_client"]
    ours = {"contracts", "ledger", "indexer", "oracle_api", "devnet"}
    assert set(client["forbidden_modules"]) == ours


def test_a_broken_contract_would_be_noticed(tmp_path: Path) -> None:
    text = PYPROJECT.read_text(encoding="utf-8")
    upside_down = text.replace('"contracts", "ledger"]\n', '"ledger", "contracts"]\n')
    broken = tmp_path / "pyproject.toml"
    broken.write_text(upside_down, encoding="utf-8")
    assert upside_down != text
    assert lint_imports(config_filename=str(broken), no_cache=True) != EXIT_STATUS_SUCCESS


def test_a_command_starts_without_what_only_some_commands_need() -> None:
    """Libraries that take half a second each, which whoever asks for --help would wait for."""
    heavy = ("eth_account", "fastapi", "statsmodels", "web3")
    code = f"import sys, oracle_api.__main__; print(*({{*{heavy}}} & sys.modules.keys()))"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
