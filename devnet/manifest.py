"""Where a chain's contracts are and how to reach it: the variables that every service reads."""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from devnet.home import write_private
from ledger.deployment import Deployment, Economy
from ledger.errors import RejectedError
from ledger.payment_uri import format_address, parse_address

MANIFEST_NAME = "manifest.json"
ENVIRONMENT_NAME = ".env"
_VERIFIER = "BILLCOIN_ATTESTATION_VERIFIER_ADDRESS"


@dataclass(frozen=True)
class Manifest:
    """One deployment and its node; `start_block` is the token's."""

    deployment: Deployment
    node_http_url: str
    node_ws_url: str
    start_block: int
    economy: Economy | None = None
    attestation_verifier: bytes | None = None

    def variables(self) -> dict[str, str]:
        """The environment that indexer and oracle read, by its exact names."""
        deployment = self.deployment
        return {
            "BILLCOIN_CHAIN_ID": str(deployment.chain_id),
            "BILLCOIN_NODE_HTTP_URL": self.node_http_url,
            "BILLCOIN_NODE_WS_URL": self.node_ws_url,
            "BILLCOIN_TOKEN_ADDRESS": format_address(deployment.token),
            "BILLCOIN_VAULT_FACTORY_ADDRESS": format_address(deployment.vault_factory),
            "BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS": format_address(
                deployment.vault_implementation
            ),
            "BILLCOIN_TREASURY_ADDRESS": format_address(deployment.treasury),
            "BILLCOIN_START_BLOCK": str(self.start_block),
            **({} if self.economy is None else economy_variables(self.economy)),
            **(
                {}
                if self.attestation_verifier is None
                else {_VERIFIER: format_address(self.attestation_verifier)}
            ),
        }


def economy_variables(economy: Economy) -> dict[str, str]:
    """The part of the environment that says where the milk economy's contracts are."""
    return {
        _economy_variable(field.name): format_address(getattr(economy, field.name))
        for field in fields(economy)
    }


def _economy_variable(contract: str) -> str:
    return f"BILLCOIN_{contract.upper()}_ADDRESS"


def _read_economy(values: Mapping[str, str]) -> Economy | None:
    """All of the contracts or none: a chain may be without them, but not without some."""
    names = [_economy_variable(field.name) for field in fields(Economy)]
    if not any(values.get(name) for name in names):
        return None
    return Economy(*(parse_address(_required(values, name), param=name) for name in names))


def _required(values: Mapping[str, str], name: str) -> str:
    value = values.get(name, "")
    if not value:
        raise RejectedError(
            "not_configured",
            f"{name} is not known: run `billcoin-devnet deploy`, or set BILLCOIN_HOME to the "
            "folder that a demo printed",
            param=name,
        )
    return value


def _whole_number(values: Mapping[str, str], name: str) -> int:
    text = _required(values, name)
    if not (text.isascii() and text.isdigit()):
        raise RejectedError("not_configured", f"{name} must be a whole number", param=name)
    return int(text)


def read_manifest(values: Mapping[str, str]) -> Manifest:
    """Read a manifest out of variables.

    Raises:
        RejectedError: `not_configured`, naming the variable.
    """

    def address(name: str) -> bytes:
        return parse_address(_required(values, name), param=name)

    return Manifest(
        deployment=Deployment(
            chain_id=_whole_number(values, "BILLCOIN_CHAIN_ID"),
            token=address("BILLCOIN_TOKEN_ADDRESS"),
            vault_factory=address("BILLCOIN_VAULT_FACTORY_ADDRESS"),
            vault_implementation=address("BILLCOIN_VAULT_IMPLEMENTATION_ADDRESS"),
            treasury=address("BILLCOIN_TREASURY_ADDRESS"),
        ),
        # Services follow all nodes of a list; tools talk to the first.
        node_http_url=_required(values, "BILLCOIN_NODE_HTTP_URL").split(",")[0],
        node_ws_url=values.get("BILLCOIN_NODE_WS_URL", "").split(",")[0],
        start_block=_whole_number(values, "BILLCOIN_START_BLOCK"),
        economy=_read_economy(values),
        attestation_verifier=address(_VERIFIER) if values.get(_VERIFIER) else None,
    )


def load_manifest(home: Path, environment: Mapping[str, str] = os.environ) -> Manifest:
    """The manifest in `home`, overridden variable by variable by the environment.

    Raises:
        RejectedError: `not_configured` when neither names everything.
    """
    path = home / MANIFEST_NAME
    stored: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return read_manifest(stored | {name: value for name, value in environment.items() if value})


def write_manifest(folder: Path, variables: Mapping[str, str]) -> Path:
    """Write the variables as JSON, and beside it as a `.env` file that shells and Compose read.

    Both may hold a database's password, so only their owner can read them.
    """
    path = folder / MANIFEST_NAME
    environment = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    for target, text in (
        (path, json.dumps(dict(variables), indent=2) + "\n"),
        (folder / ENVIRONMENT_NAME, environment),
    ):
        write_private(target, text)
    return path
