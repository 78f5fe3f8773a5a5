"""What an operator has not set up is told in one way, wherever somebody asks for it."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from access_support import Guarded, Person, Watch
from oracle_support import (
    Ledger,
    announcements,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)
from whole_oracle import everybody, whole_oracle

from ledger.store.wallets import StoredWallet, insert_wallet
from oracle_api.prices import service
from oracle_api.problems import CapabilityOffError, status_of
from oracle_api.relay.requests import EXAMPLE as SUBMISSION
from oracle_api.standing_orders.requests import NewStandingOrderRequest

DOCS: Final = Path(__file__).parents[2] / "docs" / "errors.md"
ADDRESS: Final = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
TX: Final = "0x" + tx(1).hex()

Case = tuple[str, str, str, Any, str | None]
CASES: Final[list[Case]] = [
    (
        *("POST", "/api/v1/payments/validate", "attestations"),
        *({"txHash": TX, "expectedAmount": "1", "attest": True}, "attest"),
    ),
    (
        *("POST", "/api/v1/orders", "loyalty"),
        *({"amountMyr": "1.80", "studentId": "1211103456"}, "studentId"),
    ),
    ("POST", "/api/v1/loyalty/balance", "loyalty", {"studentId": "1211103456"}, "studentId"),
    ("POST", "/api/v1/payments/submit", "relay", SUBMISSION, None),
    (
        *("POST", "/api/v1/standing-orders", "standing_orders"),
        *(NewStandingOrderRequest.model_config["json_schema_extra"]["examples"][0], None),  # type: ignore[index,call-overload]
    ),
    ("POST", "/api/v1/wallets/challenge", "wallets", {"address": ADDRESS}, None),
    (
        *("POST", "/api/v1/wallets", "wallets"),
        *({"nonce": "3f" * 16, "signature": "0x" + "3c" * 64 + "1b"}, None),
    ),
    ("GET", "/api/v1/wallets", "wallets", None, None),
    ("GET", "/api/v1/prices/milk/forecast", "forecast", None, None),
    ("POST", "/api/v1/webhooks", "webhooks", {"url": "https://shop.example/hook"}, None),
    ("GET", "/api/v1/webhooks", "webhooks", None, None),
    ("GET", "/api/v1/webhooks/{webhook_id}", "webhooks", None, None),
    ("PATCH", "/api/v1/webhooks/{webhook_id}", "webhooks", {"description": "x"}, None),
    ("POST", "/api/v1/webhooks/{webhook_id}/rotate-secret", "webhooks", None, None),
]


def test_every_route_that_needs_a_capability_has_a_case() -> None:
    document = announcements().document
    announced = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "501" in operation["responses"]
    }
    assert announced == {(method, path) for method, path, *_ in CASES}


def test_every_capability_is_explained_to_partners() -> None:
    rows = set(re.findall(r"^\| 501 \| `(\w+)` \|", DOCS.read_text(), re.MULTILINE))
    assert rows == {f"{capability}_off" for _, _, capability, *_ in CASES}
    for code in rows:
        assert status_of(code) == 501
    assert CapabilityOffError("x", "no").code == "x_off"


@pytest.fixture
async def bare(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Person, str]]:
    """Somebody at an oracle that has lost its settings and extras, and a webhook of before."""
    monkeypatch.setattr(service, "is_installed", lambda: False)
    async with whole_oracle(ledger, tmp_path) as guarded:
        person = await everybody(guarded)
        body = {"url": "https://shop.example/hook"}
        _, webhook, _ = await person.call("POST", "/api/v1/webhooks", json=body)
    # Points are kept without a key on the loopback interface alone, where this test has to listen.
    public = settings_for(ledger.url, access="accounts", oracle_host="192.0.2.7")
    async with served(public, listen=settings_for(ledger.url)) as client:
        await until_journal_is_read(client)
        guarded = Guarded(client, ledger, Watch())
        person = await everybody(guarded, "later")
        wallet = StoredWallet("wal_1", person.account_id, b"sealed", b"d", datetime.now(UTC))
        assert await insert_wallet(ledger.connection, wallet, key_id="lost")
        yield person, webhook["id"]


async def test_what_is_off_is_told_in_one_way(bare: tuple[Person, str]) -> None:
    person, webhook_id = bare
    for method, path, capability, body, param in CASES:
        url = path.replace("{webhook_id}", webhook_id)
        headers = {"Idempotency-Key": "k"}
        status, problem, told = await person.call(method, url, json=body, headers=headers)
        where = (method, path, problem)
        assert (status, problem["code"]) == (501, f"{capability}_off"), where
        assert (problem["retryable"], problem["param"]) == (False, param), where
        assert problem["title"] == "Not Implemented", where
        assert problem["detail"].endswith(": its operator has not set that up"), where
        assert told["content-type"] == "application/problem+json", where
        assert "retry-after" not in told, where
    # What needs nothing of it goes on: one's own data can be deleted, always.
    assert (await person.call("DELETE", f"/api/v1/webhooks/{webhook_id}"))[0] == 204
