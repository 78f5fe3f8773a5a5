"""The audit log takes what it is told, keeps it, and shows any attempt to change it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from devnet.services import console_script, service_environment
from ledger.audit_chain import AuditEntry
from ledger.store.audit_log import check_audit_log, read_audit_page, record_audit
from ledger.store.pool import Connection, connect
from ledger.store.schema import metadata
from migrations.grants import ORACLE_RIGHTS, grant_oracle_role


@pytest.fixture
async def owner(ledger_url: str) -> AsyncIterator[Connection]:
    connection = await connect(ledger_url, application_name="test-owner")
    yield connection
    await connection.close()


@pytest.fixture
async def oracle(ledger_url: str, owner: Connection) -> AsyncIterator[Connection]:
    """A connection with the oracle's own role."""
    role, password = f"oracle_{secrets.token_hex(6)}", secrets.token_hex(8)
    await owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
    await grant_oracle_role(ledger_url, role)
    parts = urlsplit(ledger_url)
    netloc = f"{role}:{password}@{parts.netloc.rpartition('@')[2]}"
    connection = await connect(
        urlunsplit(parts._replace(netloc=netloc)), application_name="test-oracle"
    )
    yield connection
    await connection.close()
    await owner.execute(f"DROP OWNED BY {role}")
    await owner.execute(f"DROP ROLE {role}")


def entry(action: str = "account.created", **details: Any) -> AuditEntry:
    return AuditEntry(datetime.now(UTC), "acc_admin", action, "acc_1", details, "req_1")


async def record(connection: Connection, *entries: AuditEntry) -> None:
    for one in entries:
        async with connection.transaction():
            await record_audit(connection, one)


async def test_the_oracle_appends_and_reads(oracle: Connection) -> None:
    await record(oracle, entry(role="till"), entry("account.disabled"))
    newest, first = await read_audit_page(
        oracle, before_seq=None, actor=None, subject="acc_1", limit=10
    )
    assert (first.seq, first.entry.details) == (1, {"role": "till"})
    assert (newest.seq, newest.entry.action) == (2, "account.disabled")
    assert (await check_audit_log(oracle))[2] is None


async def test_what_is_rolled_back_was_never_written(oracle: Connection) -> None:
    await record(oracle, entry())
    transaction = oracle.transaction()
    await transaction.start()
    await record_audit(oracle, entry("never.happened"))
    await transaction.rollback()
    await record(oracle, entry("account.disabled"))
    head_seq, _, found = await check_audit_log(oracle)
    assert (head_seq, found) == (2, None)


async def test_entries_at_once_stand_in_one_chain(ledger_url: str) -> None:
    async def one(number: int) -> None:
        connection = await connect(ledger_url, application_name="test")
        await record(connection, *(entry(worker=number, n=n) for n in range(5)))
        await connection.close()

    await asyncio.gather(*(one(number) for number in range(6)))
    connection = await connect(ledger_url, application_name="test")
    head_seq, _, found = await check_audit_log(connection)
    await connection.close()
    assert (head_seq, found) == (30, None)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit_entry SET actor = 'somebody else'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        (
            "INSERT INTO audit_entry SELECT 2, at, actor, action, subject, details, request_id, "
            "hash, hash FROM audit_entry"
        ),
        "UPDATE audit_head SET last_seq = 0",
        "DELETE FROM audit_head",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "DROP TABLE audit_entry",
        (
            "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RETURN NEW; END'"
        ),
        "UPDATE block SET canonical = false",
        "INSERT INTO payment SELECT 1, hash, 0, 'ord_1' FROM block",
        "UPDATE chain SET tip_number = 0",
        "DELETE FROM orders",
        "UPDATE event SET type = 'order.paid'",
    ],
)
async def test_the_oracle_s_role_cannot(oracle: Connection, attack: str) -> None:
    await record(oracle, entry())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await oracle.execute(attack)
    assert (await check_audit_log(oracle))[2] is None


async def test_the_oracle_can_append_only_what_follows_the_head(oracle: Connection) -> None:
    await record(oracle, entry())
    with pytest.raises(asyncpg.SerializationError):
        await oracle.execute(
            "SELECT audit_append(1, now(), 'a', 'b', 'c', '{}', NULL, $1, $1)", b"\0" * 32
        )


@pytest.mark.parametrize(
    ("tampering", "code", "seq"),
    [
        ("UPDATE audit_entry SET actor = 'somebody else' WHERE seq = 2", "entry_changed", 2),
        ("UPDATE audit_entry SET details = '{}' WHERE seq = 1", "entry_changed", 1),
        ("DELETE FROM audit_entry WHERE seq = 2", "entry_missing", 2),
        ("DELETE FROM audit_entry WHERE seq = 3", "head_differs", 3),
        ("UPDATE audit_entry SET seq = seq + 1 WHERE seq = 3", "entry_missing", 3),
    ],
)
async def test_the_owner_s_tampering_is_found(
    owner: Connection, tampering: str, code: str, seq: int
) -> None:
    await record(owner, entry(n=1), entry(n=2), entry(n=3))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(tampering)
    await owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
    await owner.execute(tampering)
    found = (await check_audit_log(owner))[2]
    assert found is not None
    assert (found.code, found.seq) == (code, seq)


async def test_the_command_tells_a_sound_log_from_another(
    ledger_url: str, owner: Connection
) -> None:
    await record(owner, entry(n=1), entry(n=2))
    status, sound = await verify(ledger_url)
    assert (status, sound["sound"], sound["entries"]) == (0, True, 2)
    assert (await verify(ledger_url, "--known", sound["head"]))[0] == 0
    # Who owns the database can write the whole chain anew, but not what was noted elsewhere.
    await owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
    await owner.execute("DELETE FROM audit_entry")
    await owner.execute("UPDATE audit_head SET last_seq = 0, last_hash = $1", b"\0" * 32)
    await record(owner, entry(n=1), entry(n=3))
    assert (await verify(ledger_url))[0] == 0
    status, forged = await verify(ledger_url, "--known", sound["head"])
    assert (status, forged["tampering"]["code"]) == (1, "known_differs")


async def test_a_head_that_is_none_is_refused(ledger_url: str) -> None:
    assert (await verify(ledger_url, "--known", "2:xyz"))[0] == 2


async def verify(url: str, *options: str) -> tuple[int, Any]:
    process = await asyncio.create_subprocess_exec(
        console_script("billcoin-oracle"),
        *("audit-log", "verify", "--json", *options),
        env=service_environment({"DATABASE_URL": url}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(output) if output else None


def test_every_table_says_what_the_oracle_may_do_with_it() -> None:
    # The job library's tables are in no metadata of ours.
    jobs = {table for table in ORACLE_RIGHTS if table.startswith("pgqueuer")}
    assert set(ORACLE_RIGHTS) - jobs == set(metadata.tables)
