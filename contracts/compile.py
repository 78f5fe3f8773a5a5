"""Compile the Vyper sources into the committed artifacts, or check that those are up to date."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ledger.errors import LedgerError

CONTRACTS = (
    *("attestation_verifier", "billcoin", "order_vault", "order_vault_factory"),
    *("devnet_ringgit", "milk_market", "milk_price_feed", "minting_module", "standing_orders"),
)
MODULES = (
    *("batch_attestation", "dairy_register", "market_escrow", "market_offers", "order_slots"),
    *("pasteurisation", "payout_pool", "price_policy", "price_source", "recall_debt"),
    *("regulation", "standing_order", "supplier_register", "timelock", "utc_year"),
)
"""Parts that contracts are made of: compiled inside those, without artifacts of their own."""
EVM_VERSION = "shanghai"

SOURCES = Path(__file__).parent
ARTIFACTS = SOURCES / "artifacts"


class CompilerMissingError(LedgerError):
    """The Vyper compiler is not installed: deployments do without it, development does not."""


def compile_contract(name: str) -> dict[str, Any]:
    """Compile one contract into the fields of its artifact.

    The result depends on nothing but the sources and the compiler: no path and no time is in it,
    so that two machines compile the same bytes.

    Raises:
        CompilerMissingError: Vyper or snekmate is not installed.
    """
    compiler, settings, bundle = _toolchain()
    source = bundle.load_file(f"{name}.vy")
    output = compiler.compile_from_file_input(
        source,
        input_bundle=bundle,
        settings=settings,
        output_formats=["abi", "bytecode", "bytecode_runtime"],
    )
    return {
        "name": name,
        "compiler": f"vyper {version('vyper')}",
        "evmVersion": EVM_VERSION,
        "sourceSha256": sha256(source.source_code.encode()).hexdigest(),
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "deployedBytecode": output["bytecode_runtime"],
    }


def _toolchain() -> tuple[Any, Any, Any]:
    """The compiler, its settings, and where it looks for sources.

    Imported by name and only here, so that nothing else needs the compiler to be installed.
    """
    snekmate = find_spec("snekmate")
    if (
        find_spec("vyper") is None
        or snekmate is None
        or snekmate.submodule_search_locations is None
    ):
        raise CompilerMissingError(
            "compiling needs vyper and snekmate, which the dev extra brings: make setup"
        )
    packages = [Path(location).parent for location in snekmate.submodule_search_locations]
    bundle = import_module("vyper.compiler.input_bundle").FilesystemInputBundle(
        [*packages, SOURCES]
    )
    settings = import_module("vyper.compiler.settings").Settings(evm_version=EVM_VERSION)
    return import_module("vyper.compiler"), settings, bundle


def artifact_path(name: str) -> Path:
    """Where the artifact of the contract called `name` is committed."""
    return ARTIFACTS / f"{name}.json"


def render(fields: dict[str, Any]) -> str:
    """Write an artifact's fields the one way they are committed."""
    return json.dumps(fields, indent=1) + "\n"


def stale_artifacts() -> Iterator[tuple[str, str]]:
    """Compile each contract and yield name and text of those whose committed artifact differs."""
    for position, name in enumerate(CONTRACTS, start=1):
        sys.stdout.write(f"[{position}/{len(CONTRACTS)}] {name} ... ")
        sys.stdout.flush()
        text = render(compile_contract(name))
        path = artifact_path(name)
        fresh = path.exists() and path.read_text(encoding="utf-8") == text
        sys.stdout.write("unchanged\n" if fresh else "differs\n")
        if not fresh:
            yield name, text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the artifacts, or with `--check` only compare; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check: bool = parser.parse_args(arguments).check
    stale = 0
    try:
        for name, text in stale_artifacts():
            stale += 1
            if not check:
                artifact_path(name).write_text(text, encoding="utf-8")
    except CompilerMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if check and stale:
        sys.stderr.write(f"{stale} stale: run python -m contracts.compile and commit the result\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
