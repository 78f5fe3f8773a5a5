"""Who may import whom: the contracts in pyproject.toml, as `make lint` checks them."""

import subprocess
import sys
from pathlib import Path

import pytest
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
    assert printed_by(code) == ""


@pytest.mark.parametrize(
    "modules", ["oracle_api.application, oracle_api.jobs.commands", "devnet.__main__"]
)
def test_no_service_waits_for_a_curve_that_none_of_its_keys_is_on(modules: str) -> None:
    code = f"import sys, {modules}; print('eth_account' in sys.modules, *sorted(sys.modules))"
    loaded = printed_by(code).split()
    assert loaded[0] == "True"
    assert [name for name in loaded if name.startswith("py_ecc.bls")] == []
    assert [name for name in loaded if name.startswith("py_ecc.optimized_")] == []


def test_who_needs_that_curve_still_finds_it() -> None:
    """Its module is the real one, and a validator's keystore is made with it."""
    code = """
import contracts.signing, eth_keyfile, py_ecc.bls
public = py_ecc.bls.G2ProofOfPossession.SkToPk(1)
made = eth_keyfile.create_keyfile_json((1).to_bytes(32), b"milk", version=4, iterations=2)
assert made["pubkey"] == public.hex(), made
assert eth_keyfile.keyfile.curve_order == py_ecc.optimized_bls12_381.curve_order
"""
    assert printed_by(code) == ""


def printed_by(code: str) -> str:
    """What a Python of its own prints, which has imported nothing before."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
