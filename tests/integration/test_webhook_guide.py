"""What docs/partner.md tells partners to run verifies what we send, and nothing else."""

import base64
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from node_program import JAVASCRIPT, answer_of, node
from oracle_support import open_ledger, served, settings_for, until
from partner_guide import command
from webhook_support import (
    Received,
    add_account,
    receiving,
    sending,
    write_keys,
)

ROOT = Path(__file__).parents[2]

PYTHON_DRIVER = """
import base64, json, sys
sent = json.load(sys.stdin)
print(json.dumps(read_event(base64.b64decode(sent["body"]), sent["headers"])))
"""
JAVASCRIPT_DRIVER = """
import { readFileSync } from "node:fs";
const { hmac, ed25519, secret, publicKey } = JSON.parse(readFileSync(0));
const text = (one) => Buffer.from(one.body, "base64").toString();
const forged = text(ed25519).replace("webhook.ping", "order.paid");
// Why the guide has a function of its own for these: the package does not know them.
const asShared = publicKey.replace("whpk_", "whsec_");
const throws = (work) => { try { work(); return false; } catch { return true; } };
console.log(JSON.stringify({
  event: readEvent(text(hmac), hmac.headers, secret),
  isForgedRefused: throws(() => readEvent(text(hmac) + " ", hmac.headers, secret)),
  isFromBillcoin: isFromBillcoin(text(ed25519), ed25519.headers, publicKey),
  isRefusedByPackage: throws(() => readEvent(text(ed25519), ed25519.headers, asShared)),
  isForgedFromBillcoin: isFromBillcoin(forged, ed25519.headers, publicKey),
}));
"""


def as_sent(received: Received) -> dict[str, Any]:
    return {"headers": received.headers, "body": base64.b64encode(received.body).decode()}


async def test_the_guide_s_snippets_verify_what_we_send_and_refuse_what_we_do_not(
    ledger_url: str, tmp_path: Path
) -> None:
    settings = settings_for(
        ledger_url,
        access="accounts",
        webhook_keys_file=write_keys(tmp_path),
        webhook_allow_private=True,
    )
    async with (
        open_ledger(ledger_url) as ledger,
        served(settings) as client,
        receiving() as to_hmac,
        receiving() as to_ed25519,
    ):
        partner = await add_account(ledger.connection, client)
        hmac = await partner.webhook(to_hmac.url)
        ed25519 = await partner.webhook(to_ed25519.url, signing="ed25519")
        for webhook in (hmac, ed25519):
            await partner.call("POST", f"/{webhook['id']}/test")
        async with sending(settings):
            await until(lambda: to_hmac.received and to_ed25519.received)
    sent, question = to_hmac.received[0], as_sent(to_hmac.received[0])
    python = await answer_of(
        sys.executable,
        "-c",
        command("verify a webhook in Python") + PYTHON_DRIVER,
        question=question,
        folder=ROOT,
        WEBHOOK_SECRET=hmac["secret"],
    )
    assert python == sent.event
    javascript = await answer_of(
        node(),
        "--input-type=module",
        "--eval",
        command("verify a webhook in JavaScript") + JAVASCRIPT_DRIVER,
        folder=JAVASCRIPT,
        question={
            "hmac": question,
            "ed25519": as_sent(to_ed25519.received[0]),
            "secret": hmac["secret"],
            "publicKey": ed25519["secrets"][0]["publicKey"],
        },
    )
    assert javascript == {
        "event": sent.event,
        "isForgedRefused": True,
        "isFromBillcoin": True,
        "isRefusedByPackage": True,
        "isForgedFromBillcoin": False,
    }


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_the_guide_s_command_makes_an_endpoint(ledger_url: str, tmp_path: Path) -> None:
    settings = settings_for(ledger_url, access="accounts", webhook_keys_file=write_keys(tmp_path))
    async with open_ledger(ledger_url) as ledger, served(settings) as client:
        partner = await add_account(ledger.connection, client)
        made = await answer_of(
            "sh",
            "-c",
            command("make a webhook"),
            ORACLE=client.base,
            BILLCOIN_API_KEY=partner.key,
        )
    assert made["secret"].startswith("whsec_")
    assert made["eventTypes"] == ["order.paid", "order.reversed"]
