"""The committed artifacts are what the sources compile to, and load without a compiler."""

import importlib.util
import re
from pathlib import Path

import pytest

from contracts import billcoin, order_vault, order_vault_factory, rehearsal
from contracts import compile as compiler
from contracts.artifact import load_artifact
from ledger.order_address import implementation_address


@pytest.mark.no_cover  # measuring the compiler takes as long again, and it is none of our code
@pytest.mark.parametrize("name", compiler.CONTRACTS)
def test_a_committed_artifact_is_what_its_source_compiles_to(name: str) -> None:
    committed = compiler.artifact_path(name).read_text(encoding="utf-8")

    assert compiler.render(compiler.compile_contract(name)) == committed, (
        "stale: run python -m contracts.compile and commit the result"
    )


def test_every_source_is_a_contract_with_an_artifact_or_a_module_without() -> None:
    sources = {path.stem for path in compiler.SOURCES.glob("*.vy")}
    artifacts = {path.stem for path in compiler.ARTIFACTS.glob("*.json")}

    assert artifacts == set(compiler.CONTRACTS)
    assert sources == artifacts | set(compiler.MODULES)


@pytest.mark.parametrize("name", [*compiler.CONTRACTS, *compiler.MODULES])
def test_every_external_function_says_what_it_does_and_what_it_takes(name: str) -> None:
    source = (compiler.SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    functions = re.findall(
        r"^@(?:external|deploy)\n(?:@\w+\n)*def (\w+)\(([^)]*)\).*?:\n    \"\"\"(.*?)\"\"\"",
        source,
        re.DOTALL | re.MULTILINE,
    )

    assert len(functions) == len(re.findall(r"^@(?:external|deploy)$", source, re.MULTILINE))
    for function, parameters, natspec in functions:
        assert "@notice" in natspec, function
        for parameter in re.findall(r"(\w+):", parameters):
            assert f"@param {parameter} " in natspec, (function, parameter)


@pytest.fixture
def two_contracts(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What the command does it does to two small contracts as well, in a fraction of the time."""
    names = ("order_vault", "order_vault_factory")
    monkeypatch.setattr(compiler, "CONTRACTS", names)
    return names


def test_check_is_content_with_fresh_artifacts(
    two_contracts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.main(["--check"]) == 0
    assert capsys.readouterr().out.count("unchanged") == len(two_contracts)


@pytest.mark.usefixtures("two_contracts")
def test_check_reports_a_stale_artifact_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiler, "ARTIFACTS", tmp_path)

    assert compiler.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert "2 stale: run python -m contracts.compile" in capsys.readouterr().err


def test_compile_writes_what_is_committed(
    two_contracts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = {name: compiler.artifact_path(name).read_bytes() for name in two_contracts}
    monkeypatch.setattr(compiler, "ARTIFACTS", tmp_path)

    assert compiler.main([]) == 0
    assert {path.stem: path.read_bytes() for path in tmp_path.iterdir()} == committed


def test_compile_without_a_compiler_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiler, "find_spec", lambda _name: None)

    assert compiler.main([]) == 2
    assert "which the dev extra brings: make setup" in capsys.readouterr().err


def test_the_compiler_is_no_dependency_of_the_loader() -> None:
    source = importlib.util.find_spec("contracts.artifact")

    assert source is not None
    assert source.origin is not None
    assert "vyper" not in Path(source.origin).read_text(encoding="utf-8")


def test_an_artifact_is_read_once() -> None:
    assert load_artifact("billcoin") is billcoin.artifact()


def test_an_unknown_contract_has_no_artifact() -> None:
    with pytest.raises(FileNotFoundError):
        load_artifact("no_such_contract")


def test_a_genuine_factory_is_recognised_by_its_code_and_that_of_its_implementation() -> None:
    with rehearsal.fresh_state():
        deployed = rehearsal.deploy_order_vault_factory()
        factory = rehearsal.contract_address(deployed)
        implementation = implementation_address(factory=factory)

        assert rehearsal.code_at(factory) == order_vault_factory.runtime_code(
            implementation=implementation
        )
        assert rehearsal.code_at(implementation) == order_vault.runtime_code(factory=factory)
        assert deployed.implementation().lower() == f"0x{implementation.hex()}"


def test_one_sweep_takes_as_many_orders_as_the_loader_says() -> None:
    with rehearsal.fresh_state():
        factory = rehearsal.deploy_order_vault_factory()

        assert factory.MAX_ORDERS() == order_vault_factory.MAX_ORDERS_PER_SWEEP
