"""The command line on a real chain: deploy, faucet, and the reference wallet."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from eth_account import Account
from typer.testing import CliRunner

from devnet import keystore
from devnet.__main__ import app
from devnet.anvil import Chain
from devnet.node import open_node
from devnet.token_calls import balance
from ledger.errors import RejectedError
from ledger.json_hex import to_hex
from ledger.keccak import keccak256
from ledger.payment_uri import TransferRequest, format_payment_uri, parse_address
from ledger.units import Units, parse_bill

PAYEE = b"\x42" * 20
UNITS = parse_bill("0.25")


@dataclass
class Shell:
    """The command line in one state folder, with a chain that has the contracts."""

    home: Path
    chain: Chain
    manifest: dict[str, str]

    def run(self, *arguments: str, typed: str | None = None) -> str:
        result = CliRunner().invoke(app, list(arguments), input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.run(*arguments, "--json"))
        return fields

    def uri(self, **changes: Any) -> str:
        token = parse_address(self.manifest["BILLCOIN_TOKEN_ADDRESS"], param="token")
        fields = {"token": token, "chain_id": 31337, "recipient": PAYEE, "units": UNITS}
        return format_payment_uri(TransferRequest(**(fields | changes)))

    def kept(self, tx_hash: str) -> bool:
        """Whether the wallet can send it again, the very same transaction."""
        raw = (self.home / "sent" / f"{tx_hash}.hex").read_text()
        return to_hex(keccak256(bytes.fromhex(raw.removeprefix("0x")))) == tx_hash

    def held(self, address: str) -> Units:
        async def ask() -> Units:
            async with open_node(self.chain.http_url) as node:
                token = parse_address(self.manifest["BILLCOIN_TOKEN_ADDRESS"], param="token")
                return await balance(node, token, parse_address(address, param="address"))

        return asyncio.run(ask())


@pytest.fixture
def shell(tmp_path: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in os.environ:
        if name.startswith("BILLCOIN_") and name != "BILLCOIN_ANVIL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("BILLCOIN_HOME", str(tmp_path))
    monkeypatch.setenv("BILLCOIN_WALLET_PASSWORD", "milk")
    encrypt: Callable[..., object] = partial(Account.encrypt, kdf="pbkdf2", iterations=2)
    monkeypatch.setattr(keystore.Account, "encrypt", encrypt)
    shell = Shell(tmp_path, chain, {})
    shell.manifest = shell.json("deploy", "--rpc-url", chain.http_url)
    return shell


@pytest.fixture
def student(shell: Shell) -> str:
    address: str = shell.json("wallet", "new", "--name", "student")["address"]
    shell.run("faucet", address, "--bill", "1", "--gas", "1")
    return address


def test_deploy_writes_what_it_says(shell: Shell) -> None:
    assert json.loads((shell.home / "manifest.json").read_text()) == shell.manifest
    assert shell.manifest["BILLCOIN_START_BLOCK"] == "1"
    assert shell.manifest["BILLCOIN_NODE_WS_URL"] == shell.chain.ws_url


def test_deploy_does_nothing_where_there_is_a_contract(shell: Shell) -> None:
    token = shell.manifest["BILLCOIN_TOKEN_ADDRESS"]
    url = shell.chain.http_url
    assert shell.json("deploy", "--rpc-url", url, "--unless-at", token) == {"deployed": False}
    again = shell.json("deploy", "--rpc-url", url, "--unless-at", to_hex(PAYEE))
    assert again["BILLCOIN_TOKEN_ADDRESS"] != token


def test_deploy_refuses_another_chain_and_known_keys_on_it(shell: Shell) -> None:
    url = shell.chain.http_url
    with pytest.raises(RejectedError) as refusal:
        shell.run("deploy", "--rpc-url", url, "--chain-id", "1")
    assert refusal.value.code == "wallet_needed"
    shell.run("wallet", "new", "--name", "owner")
    treasury = to_hex(PAYEE)
    with pytest.raises(RejectedError) as refusal:
        shell.run(
            *("deploy", "--rpc-url", url, "--chain-id", "1"),
            *("--wallet", "owner", "--treasury", treasury),
        )
    assert refusal.value.code == "chain_unexpected"


def test_faucet_gives_bill_and_gas(shell: Shell, student: str) -> None:
    assert shell.json("wallet", "balance", "--name", "student") == {
        "name": "student",
        "address": student,
        "bill": "1",
        "gas": "1",
    }


def test_a_payment_arrives(shell: Shell, student: str) -> None:
    paid = shell.json("wallet", "pay", shell.uri(), "--name", "student", "--yes")
    assert paid["from"] == student
    assert (paid["amount"], paid["gasless"], paid["verdict"]) == ("0.25", False, None)
    assert shell.kept(paid["txHash"])
    assert shell.held(to_hex(PAYEE)) == UNITS
    assert float(shell.json("wallet", "balance", "--name", "student")["gas"]) < 1


def test_what_is_handed_on_is_kept_to_be_sent_again(shell: Shell, student: str) -> None:
    given = ("--to", to_hex(PAYEE), "--amount", "0.25", "--name", "student", "--yes")
    sent = shell.json("wallet", "send", *given)
    assert (sent["from"], shell.held(to_hex(PAYEE))) == (student, UNITS)
    assert shell.kept(sent["txHash"])


def test_a_wallet_without_gas_pays_through_a_relayer(shell: Shell) -> None:
    payer = shell.json("wallet", "new", "--name", "student")["address"]
    shell.run("faucet", payer, "--bill", "1", "--gas", "0")
    relayer = shell.json("wallet", "new", "--name", "relayer")["address"]
    shell.run("faucet", relayer, "--bill", "0", "--gas", "1")
    with pytest.raises(RejectedError) as refusal:
        shell.run("wallet", "pay", shell.uri(), "--name", "student", "--yes")
    assert refusal.value.code == "gas_missing"
    relayed = ("--gasless", "--relayer", "relayer", "--yes")
    paid = shell.json("wallet", "pay", shell.uri(), "--name", "student", *relayed)
    assert (paid["from"], paid["gasless"]) == (payer, True)
    assert shell.kept(paid["txHash"])
    assert shell.held(to_hex(PAYEE)) == UNITS
    assert shell.held(payer) == parse_bill("0.75")
    assert shell.held(relayer) == 0


def test_it_shows_what_it_will_do_and_asks(shell: Shell, student: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        shell.run("wallet", "pay", shell.uri(), "--name", "student", typed="n\n")
    assert refusal.value.code == "payment_declined"
    assert shell.held(student) == parse_bill("1")
    assert "paid 0.25 BILL" in shell.run(
        "wallet", "pay", shell.uri(), "--name", "student", typed="y\n"
    )


@pytest.mark.usefixtures("student")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": 1}, "chain_unexpected"),
        ({"token": b"\7" * 20}, "token_unexpected"),
        ({"recipient": bytes(20)}, "recipient_unsafe"),
        ({"units": parse_bill("1") + 1}, "balance_insufficient"),
    ],
)
def test_what_would_go_wrong_is_refused(shell: Shell, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        shell.run("wallet", "pay", shell.uri(**changes), "--name", "student", "--yes")
    assert refusal.value.code == code
    assert shell.held(to_hex(PAYEE)) == 0


@pytest.mark.usefixtures("student")
def test_a_node_of_another_chain_or_without_the_token_is_noticed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BILLCOIN_CHAIN_ID", "5")
    with pytest.raises(RejectedError) as refusal:
        shell.run("wallet", "pay", shell.uri(chain_id=5), "--name", "student", "--yes")
    assert refusal.value.code == "chain_unexpected"
    monkeypatch.delenv("BILLCOIN_CHAIN_ID")
    monkeypatch.setenv("BILLCOIN_TOKEN_ADDRESS", to_hex(PAYEE))
    with pytest.raises(RejectedError) as refusal:
        shell.run("wallet", "balance", "--name", "student")
    assert refusal.value.code == "token_missing"


@pytest.mark.usefixtures("student")
def test_gasless_and_relayer_go_together(shell: Shell) -> None:
    for options in (["--gasless"], ["--relayer", "student"]):
        with pytest.raises(RejectedError) as refusal:
            shell.run("wallet", "pay", shell.uri(), "--name", "student", "--yes", *options)
        assert refusal.value.code == "relayer_needed"


async def test_the_oracle_is_asked_for_the_verdict(shell: Shell, student: str) -> None:
    asked = []

    async def validate(request: web.Request) -> web.Response:
        asked.append((await request.json(), request.headers.get("Prefer")))
        return web.json_response({"valid": True, "confirmedAt": "now", "error": None})

    application = web.Application()
    application.router.add_post("/api/v1/payments/validate", validate)
    async with TestServer(application) as server:
        options = ("--name", "student", "--yes", "--oracle", f"http://127.0.0.1:{server.port}")
        paid = await asyncio.to_thread(shell.json, "wallet", "pay", shell.uri(), *options)
    assert paid["from"] == student
    assert paid["verdict"]["valid"] is True
    assert asked == [({"txHash": paid["txHash"], "expectedAmount": "0.25"}, "wait=10")]


@pytest.mark.usefixtures("student")
def test_an_expected_error_is_one_line_and_a_status(shell: Shell) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "devnet", "wallet", "pay", "milk.eth", "--name", "student"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("billcoin-devnet: uri_invalid: ")
    assert len(result.stderr.splitlines()) == 1
    assert shell.run("wallet", "list").startswith("student 0x")
