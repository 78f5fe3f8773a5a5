"""Every route that changes something writes down who did what to what, or says here why not."""

import ast
import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from access_support import PASSWORD, Guarded, guarded_oracle
from openapi_claims import Claims, Got, Operations
from openapi_scenes import (
    ACCOUNT,
    COUPON,
    FLAG,
    ORDER,
    ORDERS,
    REFUND,
    REFUNDS,
    VALIDATE,
    WALLETS,
    WEBHOOK,
    WEBHOOKS,
    Stage,
    open_stage,
    successes,
)
from oracle_support import Ledger
from test_standing_orders_access import signed_body
from typer.testing import CliRunner

from ledger.store.audit_log import check_audit_log
from oracle_api.__main__ import app
from oracle_api.access.principal import Role
from oracle_api.access.route_roles import ROUTE_ROLES, Route
from oracle_api.accounts.commands import accounts
from oracle_api.tokens.service import GRACE_SECONDS

ROOT: Final = Path(__file__).parents[2]
TOKENS: Final = "/api/v1/tokens"
STANDING: Final = "/api/v1/standing-orders"

ACTIONS: Final[dict[Route, str]] = {
    ("POST", TOKENS): "session.token_reused",
    ("POST", "/api/v1/accounts"): "account.created",
    ("POST", f"{ACCOUNT}/disable"): "account.disabled",
    ("POST", f"{ACCOUNT}/enable"): "account.enabled",
    ("POST", f"{ACCOUNT}/roles"): "account.roles_changed",
    ("POST", f"{ACCOUNT}/password"): "account.password_changed",
    ("POST", f"{ACCOUNT}/keys"): "api_key.created",
    ("POST", f"{ACCOUNT}/keys/{{key_id}}/revoke"): "api_key.revoked",
    ("POST", WALLETS): "wallet.linked",
    ("DELETE", f"{WALLETS}/{{wallet_id}}"): "wallet.unlinked",
    ("POST", f"{ORDER}/cancel"): "order.cancelled",
    ("POST", f"{COUPON}/redeem"): "coupon.redeemed",
    ("POST", REFUNDS): "refund.requested",
    ("POST", f"{REFUND}/transaction"): "refund.sent",
    ("POST", f"{REFUND}/cancel"): "refund.cancelled",
    ("POST", WEBHOOKS): "webhook.created",
    ("PATCH", WEBHOOK): "webhook.changed",
    ("DELETE", WEBHOOK): "webhook.deleted",
    ("POST", f"{WEBHOOK}/rotate-secret"): "webhook.secret_rotated",
    ("POST", STANDING): "standing_order.registered",
    ("POST", f"{FLAG}/acknowledge"): "flag.acknowledged",
    ("POST", f"{FLAG}/clear"): "flag.cleared",
}
"""What each route writes; signing in and renewing are themselves in the table of sessions."""

NO_ENTRY: Final[dict[Route, str]] = {
    ("POST", f"{TOKENS}/revoke"): "only one's own session, whose row keeps when and why it ended",
    ("POST", f"{WALLETS}/challenge"): "asks only; what it leads to is wallet.linked",
    ("POST", VALIDATE): "asks only, and nothing may queue before the hot path",
    ("POST", "/api/v1/x402/verify"): "asks only",
    ("POST", "/api/v1/payments/submit"): "hot; the payer's own signature, and the chain keeps it",
    ("POST", "/api/v1/x402/settle"): "hot; the payer's own signature, and the chain keeps it",
    ("POST", ORDERS): "hot; the order keeps whose it is, the append-only journal order.created",
    ("POST", "/api/v1/loyalty/balance"): "asks only",
    ("POST", f"{WEBHOOK}/test"): "changes nothing; it is in the log of deliveries",
    ("POST", f"{WEBHOOK}/replay"): "changes nothing; it is in the log of deliveries",
    (
        "POST",
        f"{WEBHOOK}/deliveries/{{delivery_id}}/redeliver",
    ): "changes nothing; it is in the log of deliveries",
}

BY_COMMAND: Final = {"indexer.resumed"}
"""What only a command on the server does: test_indexer_commands.py."""

ON_A_CHAIN: Final = {route for route in NO_ENTRY if "/x402/" in route[1]} | {
    ("POST", "/api/v1/payments/submit")
}
"""What no scene here succeeds with; their packages do not know the log."""

MUTATING: Final = {"POST", "PUT", "PATCH", "DELETE"}


def test_every_mutating_route_has_an_action_or_a_reason() -> None:
    there = {route for route in ROUTE_ROLES if route[0] in MUTATING}
    assert there == ACTIONS.keys() | NO_ENTRY.keys()
    assert not ACTIONS.keys() & NO_ENTRY.keys()
    assert all(NO_ENTRY.values())


def test_operators_are_told_of_every_action() -> None:
    guide = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    section = guide.partition("## The audit log\n")[2].partition("\n## ")[0]
    told = re.findall(r"`([a-z_]+\.[a-z_]+)`", section)
    assert sorted(told) == sorted([*ACTIONS.values(), *BY_COMMAND])


def test_what_is_hot_does_not_know_the_log() -> None:
    for package in ("payments", "relay", "x402"):
        for path in (ROOT / "oracle_api" / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    assert "audit" not in str(node.module), path


class Watching(Operations):
    """Asks, and remembers what each route's request has written."""

    def __init__(self, asked: Operations, ledger: Ledger) -> None:
        super().__init__(asked.document, Claims())
        self._ledger = ledger
        self.written: dict[Route, set[str]] = defaultdict(set)

    async def ask(self, person: Any, method: str, path: str, **more: Any) -> Got:
        (before,) = await self._rows("SELECT last_seq FROM audit_head")
        got = await super().ask(person, method, path, **more)
        query = "SELECT actor, action, subject, request_id FROM audit_entry WHERE seq > $1"
        entries = await self._rows(query, before["last_seq"])
        if got[0] >= 400 and path != TOKENS:
            assert not entries, (method, path)
        for entry in entries:
            assert entry["actor"] == person.account_id, (method, path)
            assert entry["request_id"] == got[2]["x-request-id"], (method, path)
            assert entry["subject"], (method, path)
        if got[0] < 300 and method in MUTATING:
            self.written[method, path] |= {entry["action"] for entry in entries}
        return got

    async def _rows(self, query: str, *arguments: Any) -> list[Any]:
        rows: list[Any] = await self._ledger.connection.fetch(query, *arguments)
        return rows


@pytest.fixture
async def stage(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(ledger, tmp_path, Claims()) as stage:
        yield stage


async def test_every_route_writes_what_it_says_and_nothing_else(stage: Stage) -> None:
    stage.operations = watching = Watching(stage.operations, stage.ledger)
    await successes(stage)
    await stage.post(STANDING, 201, json=signed_body())
    # What may come of a renewal has a test of its own.
    assert watching.written.pop(("POST", TOKENS)) == set()
    expected = {route: {action} for route, action in ACTIONS.items() if route[1] != TOKENS}
    silent = {route: set() for route in NO_ENTRY if route not in ON_A_CHAIN}
    assert dict(watching.written) == expected | silent
    async with stage.ledger.connection.transaction(isolation="repeatable_read", readonly=True):
        assert (await check_audit_log(stage.ledger.connection))[2] is None


async def test_what_changes_nothing_is_not_written_twice(stage: Stage) -> None:
    """The same terms, the same cancellation, the same coupon and key."""
    stage.operations = watching = Watching(stage.operations, stage.ledger)
    body, coupon, order = signed_body(), await stage.coupon(), await stage.order()
    key = {"Idempotency-Key": "once"}
    again: list[tuple[str, int, dict[str, Any]]] = [
        (STANDING, 201, {"json": body}),
        (f"{ORDER}/cancel", 200, {"at": {"order_id": order["id"]}}),
        (f"{COUPON}/redeem", 200, {"at": coupon, "headers": key}),
    ]
    for path, status, more in again:
        for entries in ({ACTIONS["POST", path]}, set()):
            watching.written.clear()
            got = await watching.ask(stage.person, "POST", path, **more)
            assert got[0] == status, got[1]
            assert watching.written["POST", path] == entries, path


@pytest.fixture
async def guarded(ledger: Ledger) -> AsyncIterator[Guarded]:
    async with guarded_oracle(ledger) as guarded:
        yield guarded


async def entries_of(guarded: Guarded) -> list[dict[str, Any]]:
    rows = await guarded.ledger.connection.fetch("SELECT * FROM audit_entry ORDER BY seq")
    return [dict(row) for row in rows]


async def test_a_buyer_who_cancels_waits_for_no_log(guarded: Guarded) -> None:
    buyer = await guarded.person("shop", Role.PARTNER)
    clerk = await guarded.person("clerk", Role.FINANCE)
    for who, actions in ((buyer, []), (clerk, ["order.cancelled"])):
        order = await buyer.order(f"regretted-{who.account_id}")
        before = len(await entries_of(guarded))
        assert (await who.call("POST", f"{ORDERS}/{order['id']}/cancel"))[0] == 200
        written = (await entries_of(guarded))[before:]
        assert [entry["action"] for entry in written] == actions
    (entry,) = written
    assert (entry["actor"], entry["subject"]) == (clerk.account_id, order["id"])
    assert entry["details"] == {"storeId": "cafeteria"}


async def test_a_refresh_token_in_two_hands_is_written_down_once(guarded: Guarded) -> None:
    account_id = await guarded.account("ada", Role.STUDENT)
    token = (await guarded.signed_in("ada"))["refresh_token"]
    body = {"grant_type": "refresh_token", "refresh_token": token}
    before = len(await entries_of(guarded))
    assert (await guarded.client.call("POST", TOKENS, json=body))[0] == 200
    assert len(await entries_of(guarded)) == before
    guarded.watch.ahead += GRACE_SECONDS + 1
    for _ in range(3):
        assert (await guarded.client.call("POST", TOKENS, json=body))[0] == 401
    (entry,) = (await entries_of(guarded))[before:]
    assert (entry["action"], entry["actor"]) == ("session.token_reused", account_id)
    assert entry["subject"].startswith("ses_")
    assert entry["details"] == {"clientAddress": "127.0.0.1"}
    assert entry["request_id"].startswith("req_")
    assert token not in str(entry)


READS: Final = {"list", "show"}


async def test_every_command_of_the_office_is_written_down(guarded: Guarded) -> None:
    runner = CliRunner(
        env={"DATABASE_URL": guarded.ledger.url, "BILLCOIN_OFFICE_CONTACT": "room 7"}
    )

    async def run(name: str, *arguments: str, stdin: str = "") -> Any:
        command = ["accounts", name, *arguments, "--json"]
        done = await asyncio.to_thread(runner.invoke, app, command, input=stdin)
        assert done.exit_code == 0, done.output
        ran.add(name)
        return json.loads(done.stdout)

    ran: set[str] = set()
    before = len(await entries_of(guarded))
    password = ("--password-stdin",)
    made = await run("create", "ada", "--role", "partner", *password, stdin=f"{PASSWORD}\n")
    key = await run("create-key", "ada", "--scope", "orders:read")
    await run("revoke-key", "ada", key["id"])
    await run("set-roles", "ada", "--role", "student")
    await run("set-password", "ada", *password, stdin="another long phrase\n")
    await run("disable", "ada")
    await run("enable", "ada")
    for name in READS:
        await run(name, *(["ada"] if name == "show" else []))
    there = {
        one.name or getattr(one.callback, "__name__", "") for one in accounts.registered_commands
    }
    assert ran == there
    written = (await entries_of(guarded))[before:]
    assert [(entry["action"], entry["subject"]) for entry in written] == [
        ("account.created", made["id"]),
        ("api_key.created", key["id"]),
        ("api_key.revoked", key["id"]),
        ("account.roles_changed", made["id"]),
        ("account.password_changed", made["id"]),
        ("account.disabled", made["id"]),
        ("account.enabled", made["id"]),
    ]
    assert {(entry["actor"], entry["request_id"]) for entry in written} == {("office", None)}
