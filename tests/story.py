"""The milk economy's story on a devnet, by the commands of docs/economy.md and no others."""

import json
import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from contracts.revert import revert_reason
from devnet.__main__ import app
from devnet.console import exit_status
from devnet.manifest import ENVIRONMENT_NAME
from devnet.services import console_script
from ledger.errors import LedgerError

GUIDE = Path(__file__).parents[1] / "docs" / "economy.md"
DEVNET = "billcoin-devnet"
PASSWORD = {"BILLCOIN_WALLET_PASSWORD": "milk"}
SALES = {"BILLCOIN_RATE_SOURCE": "feed", "BILLCOIN_RATE_WHEN_STALE": "refuse"}
REFUSED_BATCHES = {
    "under-temperature": "pasteurisation: batch is not pasteurised",
    "replay": "minting_module: nonce is used",
    "over-quota": "dairy_register: quota is used up",
}
PATIENCE_SECONDS = 240.0
LOOK_SECONDS = 0.5
"""The oracle's budgets of requests would end a busier wait."""

BEARER = '-H "Authorization: Bearer $BILLCOIN_API_KEY"'
_COMMANDS = (DEVNET, "billcoin-indexer", "curl ")


def guide_lines() -> list[str]:
    """The commands of the guide's story."""
    _, _, story = GUIDE.read_text().partition("## The story")
    text, _, _ = story.partition("\n## ")
    return [line for line in text.splitlines() if line.startswith(_COMMANDS)]


def clean_environment(home: Path) -> dict[str, str]:
    """A shell without settings of ours, but for the story's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BILLCOIN_", "DATABASE_URL")) or name == "BILLCOIN_ANVIL"
    }
    return kept | {"BILLCOIN_HOME": str(home)} | PASSWORD


@dataclass
class Story:
    """One devnet, and what its commands have told so far."""

    home: Path
    profile: str
    price_age_seconds: int
    names: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    reported_at: float = 0.0

    # How the guide's lines are run.

    def _arguments(self, line: str) -> list[str]:
        assert line in guide_lines(), f"docs/economy.md does not have: {line}"
        self.done.add(line)
        words = shlex.split(line)
        for name, value in self.names.items():
            words = [re.sub(rf"\${name}\b", value, word) for word in words]
        assert "$" not in "".join(words), words
        return words

    def do(self, line: str, *, status: int = 0) -> dict[str, Any]:
        """Run a command of the devnet's, and read what it tells programs."""
        _, *arguments = self._arguments(line)
        result = CliRunner().invoke(
            app, [*arguments, "--json"], env={"BILLCOIN_HOME": str(self.home)} | PASSWORD
        )
        error = result.exception
        found = exit_status(error) if isinstance(error, LedgerError) else result.exit_code
        assert found == status, f"{line}: {result.output} {error!r}"
        told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return told

    def ask(self, line: str) -> dict[str, Any]:
        """Ask the oracle as the guide's curl does."""
        url = self._arguments(line)[-1]
        reply = httpx.get(url, headers=self._key() if BEARER in line else {}, timeout=30)
        assert reply.status_code == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.names["ORACLE"] + path, headers=self._key(), timeout=30)

    def _key(self) -> dict[str, str]:
        """The devnet's partner; what needs none is asked without one by `ask`."""
        return {"Authorization": f"Bearer {self.names['BILLCOIN_API_KEY']}"}

    def node(self, method: str, *params: Any) -> dict[str, Any]:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: dict[str, Any] = httpx.post(self.names["NODE"], json=call, timeout=30).json()
        return answer

    def process(self, *arguments: str, more: dict[str, str]) -> str:
        """Run a program of ours to its end."""
        done = subprocess.run(  # noqa: S603 - our own program
            [console_script(arguments[0]), *arguments[1:]],
            env=clean_environment(self.home) | more,
            cwd=GUIDE.parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Look again and again; the keeper looks every 15 seconds, a pos block takes two."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for: {what}"
            time.sleep(LOOK_SECONDS)

    # The story.

    def up(self) -> None:
        line = next(line for line in guide_lines() if line.startswith(f"{DEVNET} up"))
        self.done.add(line)
        told = json.loads(
            self.process(
                *(DEVNET, "up", "--profile", self.profile),
                *("--price-age", str(self.price_age_seconds), "--json"),
                more=SALES,
            )
        )
        self.names |= {"ORACLE": told["oracleUrl"], "NODE": told["nodeUrls"][0]}
        self.names["BILLCOIN_API_KEY"] = self.variables()["BILLCOIN_API_KEY"]

    def down(self) -> None:
        self.done.add(f"{DEVNET} down")
        self.process(DEVNET, "down", more={})

    def tell(self) -> None:
        """All of it; every command of the guide has been run in the end."""
        self.milk_becomes_bill()
        self.student_is_funded_and_signs()
        self.bad_batches_are_refused()
        self.stale_price_is_refused()
        self.till_sells()
        self.dairy_redeems()
        self.keeper_collects()
        self.audit_agrees()
        assert set(guide_lines()) - self.done == {f"{DEVNET} down"}

    def milk_becomes_bill(self) -> None:
        minted = self.do("billcoin-devnet sensor --litres 400")
        assert minted["accepted"]
        self.names["BATCH"] = batch_id(minted)
        self.until(lambda: self.get(f"/api/v1/batches/{batch_id(minted)}").is_success, "batch")
        batch = self.ask("curl -s $ORACLE/api/v1/batches/$BATCH")
        assert (batch["litres"], batch["txHash"]) == ("400", minted["txHash"])
        assert batch["recall"] is None

    def student_is_funded_and_signs(self) -> None:
        sent = self.do("billcoin-devnet wallet send --name dairy --to student --amount 50 --yes")
        assert sent["amount"] == "50"
        # The price that the devnet began with would be collected at before it is stale.
        self.until(self.is_stale, "a stale price")
        signing = "billcoin-devnet standing-order sign --name student --litres 2 --max-price"
        for name, most in (("STANDING_ORDER", "7.50"), ("CHEAP_ORDER", "7.00")):
            signed = self.do(f"{signing} {most} --yes")
            assert signed["registered"]["status"] == "due"
            self.names[name] = signed["id"]

    def bad_batches_are_refused(self) -> None:
        for fault, words in REFUSED_BATCHES.items():
            refused = self.do(
                f"billcoin-devnet sensor --litres 10 --fault {fault} --broadcast-refused"
            )
            assert (refused["accepted"], refused["refusal"]) == (False, words)
            assert self.reverted_with(refused["txHash"], words)
            self.until_indexed(refused["blockNumber"])
            answer = self.get(f"/api/v1/batches/{batch_id(refused)}")
            if fault == "replay":
                # Its first submission was sound; the second has changed nothing.
                assert answer.json()["txHash"] != refused["txHash"]
                assert answer.json()["litres"] == "10"
            else:
                assert (answer.status_code, answer.json()["code"]) == (404, "batch_not_found")
        assert len(self.get("/api/v1/batches").json()["data"]) == 2

    def stale_price_is_refused(self) -> None:
        assert self.is_stale()
        showing = "billcoin-devnet standing-order show $STANDING_ORDER"
        self.until(lambda: attempt(self.do(showing)) == ("skipped", "stale price"), "a skip")
        tried = self.do("billcoin-devnet standing-order collect $STANDING_ORDER", status=2)
        assert (tried["collected"], tried["refusal"]) == (False, "stale price")

    def till_sells(self) -> None:
        sold: dict[str, Any] = {}

        def ordered() -> bool:
            reply = self.order()
            sold.update(reply.json())
            return reply.is_success

        self.until_at_a_fresh_price(ordered, "an order")
        assert (sold["rateSource"], Decimal(sold["rateMyrPerBill"])) == ("feed", Decimal("7.2"))
        self.names |= {"PAYMENT_URI": sold["paymentUri"], "ORDER": sold["id"]}
        paid = self.do(
            "billcoin-devnet wallet pay --name student --yes --oracle $ORACLE $PAYMENT_URI"
        )
        assert paid["verdict"]["valid"], paid
        behind = self.ask(f"curl -s {BEARER} $ORACLE/api/v1/orders/$ORDER/batches")
        assert self.names["BATCH"] in {batch["id"] for batch in behind["batches"]}

    def dairy_redeems(self) -> None:
        offer = self.do('billcoin-devnet market offer "fifty kilos of feed" --price 100')
        self.names["OFFER"] = offer["offerId"]
        bought = self.do("billcoin-devnet market buy $OFFER")
        self.names["PURCHASE"] = bought["purchaseId"]
        assert bought["escrowed"] == "100"
        self.do('billcoin-devnet market deliver $PURCHASE --note "delivery note 17"')
        redeemed = self.do("billcoin-devnet market confirm $PURCHASE")
        assert redeemed["burned"] == "100"
        self.until_indexed(redeemed["blockNumber"])
        (purchase,) = self.ask("curl -s $ORACLE/api/v1/market/purchases")["data"]
        assert (purchase["status"], purchase["redeemed"]) == ("redeemed", "100")

    def keeper_collects(self) -> None:
        ours = "billcoin-devnet standing-order show $STANDING_ORDER"
        cheap = "billcoin-devnet standing-order show $CHEAP_ORDER"
        self.until_at_a_fresh_price(lambda: self.do(ours)["status"] == "collected", "collection")
        assert self.do(ours)["collected"] == {"count": 1, "bill": "2", "lastPeriod": 0}
        too_dear = ("skipped", "price above maximum")
        self.until_at_a_fresh_price(lambda: attempt(self.do(cheap)) == too_dear, "a skip")

        def too_dear_for_the_contract() -> bool:
            collect = "billcoin-devnet standing-order collect $CHEAP_ORDER"
            return bool(self.do(collect, status=2)["refusal"] == "price above maximum")

        self.until_at_a_fresh_price(too_dear_for_the_contract, "the contract's refusal")
        again = self.do("billcoin-devnet standing-order collect $STANDING_ORDER", status=2)
        assert again["refusal"] == "not due"
        self.until_indexed(again["blockNumber"])
        told = self.do(ours)
        assert (told["status"], told["collected"]["count"]) == ("collected", 1)
        assert self.do(cheap)["collected"]["count"] == 0
        periods = [
            order["status"]
            # Without statuses only what is open is listed, and this order may be settled by now.
            for order in self.get("/api/v1/orders?status=paid,settled").json()["data"]
            if order["reference"] == "standing order, period 0"
        ]
        assert periods in (["paid"], ["settled"])
        self.names["LAST_BLOCK"] = str(again["blockNumber"])

    def audit_agrees(self) -> None:
        last = int(self.names["LAST_BLOCK"])
        self.until(lambda: self.finalized() > last, "finality")
        for line in ("billcoin-indexer audit", "billcoin-indexer replay-check"):
            program, command = self._arguments(line)
            report = json.loads(self.process(program, command, "--json", more=self.variables()))
            assert not report["differences"], report
            assert report["first_block"] <= int(self.variables()["BILLCOIN_START_BLOCK"])
            assert report["last_block"] >= last

    # What the oracle, the node and the indexer say.

    def order(self) -> httpx.Response:
        """An order for a litre, as the till makes one."""
        return httpx.post(
            self.names["ORACLE"] + "/api/v1/orders",
            json={"items": [{"sku": "fresh-1l", "quantity": 1}]},
            headers=self._key() | {"Idempotency-Key": secrets.token_hex(16)},
            timeout=30,
        )

    def is_stale(self) -> bool:
        """Whether the oracle refuses to sell at the price that it has."""
        reply = self.order()
        return reply.status_code == 503 and reply.json()["code"] == "rate_stale"

    def until_at_a_fresh_price(self, condition: Callable[[], bool], what: str) -> None:
        """Let the reporters report as often as a price gets old."""

        def looked() -> bool:
            if time.monotonic() > self.reported_at + self.price_age_seconds / 3:
                said = self.do("billcoin-devnet price report 7.20")
                assert said["published"] == "7.20"
                self.reported_at = time.monotonic()
            return condition()

        self.until(looked, what)

    def reverted_with(self, tx_hash: str, words: str) -> bool:
        """Whether the chain holds the transaction as reverted, and doing it over says why."""
        receipt = self.node("eth_getTransactionReceipt", tx_hash)["result"]
        sent = self.node("eth_getTransactionByHash", tx_hash)["result"]
        call = {name: sent[name] for name in ("from", "to")} | {"data": sent["input"]}
        answer = self.node("eth_call", call, receipt["blockNumber"])
        return receipt["status"] == "0x0" and revert_reason(answer["error"]) == words

    def variables(self) -> dict[str, str]:
        lines = shlex.split((self.home / ENVIRONMENT_NAME).read_text())
        return dict(line.split("=", 1) for line in lines)

    def finalized(self) -> int:
        """The last block that the ledger holds as finalized."""
        return int(self.get("/readyz").json().get("finalizedBlockNumber", 0))

    def until_indexed(self, block: int) -> None:
        def followed() -> bool:
            return bool(self.get("/readyz").json().get("blockNumber", 0) >= block)

        self.until(followed, f"block {block} in the ledger")


def batch_id(told: dict[str, Any]) -> str:
    dairy, batch = told["dairy"].removeprefix("0x"), told["batchId"].removeprefix("0x")
    return f"bat_{dairy}_{batch}".lower()


def attempt(told: dict[str, Any]) -> tuple[str, str] | None:
    last = told["lastAttempt"]
    return None if last is None else (last["outcome"], last["reason"])
