"""Verdicts that are a yes can be had signed; nothing else can, and no key ever leaves its file."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from eth_account import Account
from eth_account.messages import encode_typed_data
from oracle_support import (
    DEPLOYMENT,
    Client,
    Ledger,
    Pay,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)

from devnet.attestation_key import KEYS_NAME, attestation_signer
from ledger.keccak import keccak256
from oracle_api.attestations import service
from oracle_api.attestations.signer import InProcessSigner
from oracle_api.logs import configure_logs

VERIFIER = b"\x5e" * 20
CONSUMER = "0x" + "c0" * 20
SIGNERS = "/.well-known/billcoin-attestation.json"


@dataclass
class Attesting:
    client: Client
    key: str
    signer: str


@pytest.fixture
async def attesting(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Attesting]:
    signer = attestation_signer(tmp_path)
    path = tmp_path / KEYS_NAME
    key = json.loads(path.read_text())["keys"][0]["privateKey"]
    settings = settings_for(
        ledger.url, attestation_verifier_address=VERIFIER, attestation_keys_file=path
    )
    async with served(settings) as client:
        await until_journal_is_read(client)
        yield Attesting(client, key, "0x" + signer.hex())


def recovered(signers: dict[str, Any], attestation: dict[str, Any]) -> str:
    """Who signed, as a partner finds out: with its own domain and types."""
    signable = encode_typed_data(
        domain_data=signers["domain"],
        message_types=signers["types"],
        message_data=attestation["message"],
    )
    address: str = Account.recover_message(signable, signature=attestation["signature"])
    return address


async def test_a_yes_is_signed_with_all_that_it_rests_on(
    attesting: Attesting, ledger: Ledger
) -> None:
    client = attesting.client
    order = await client.order()
    block = await ledger.block(Pay(order["orderAddress"], "0.3", tx(1)))
    answer = await client.validate(tx(1), attest=True, consumer=CONSUMER)
    attestation = answer["attestation"]
    message = attestation["message"]

    assert message | {"issuedAt": "", "expiresAt": ""} == {
        "orderKey": "0x" + keccak256(order["id"].encode()).hex(),
        "txHash": "0x" + tx(1).hex(),
        "blockNumber": str(block.number),
        "blockHash": "0x" + block.hash.hex(),
        "token": "0x" + DEPLOYMENT.token.hex(),
        "treasury": "0x" + DEPLOYMENT.treasury.hex(),
        "amountDue": "250000000000000000",
        "amountReceived": "300000000000000000",
        "finality": "0",
        "consumer": CONSUMER,
        "issuedAt": "",
        "expiresAt": "",
    }
    assert int(message["expiresAt"]) - int(message["issuedAt"]) == 300
    _, signers, headers = await client.call("GET", SIGNERS)
    assert recovered(signers, attestation) == attestation["signer"]
    assert attestation["signer"].lower() == attesting.signer
    assert headers["cache-control"] == "public, max-age=60"
    assert answer | {"attestation": None} == await client.validate(tx(1)) | {"attestation": None}


async def test_without_asking_there_is_none(attesting: Attesting, ledger: Ledger) -> None:
    order = await attesting.client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    for question in ({}, {"attest": False}, {"consumer": None}):
        assert "attestation" not in await attesting.client.validate(tx(1), **question)


async def test_a_no_is_never_signed(attesting: Attesting, ledger: Ledger) -> None:
    client = attesting.client
    part, large = await client.order(), await client.order("60.00")
    await ledger.block(
        Pay(part["orderAddress"], "0.1", tx(1)),
        Pay(large["orderAddress"], large["amountDue"], tx(2)),
    )
    questions: list[tuple[bytes, str, dict[str, Any]]] = [
        (tx(1), "0.25", {}),
        (tx(2), large["amountDue"], {}),
        (tx(3), "0.25", {}),
        (tx(1), "0.25", {"orderId": large["id"]}),
    ]
    for tx_hash, amount, more in questions:
        answer = await client.validate(tx_hash, amount, attest=True, **more)
        assert (answer["valid"], answer["attestation"]) == (False, None)
    assert await ledger.connection.fetchval("SELECT count(*) FROM attestation") == 0


async def test_nothing_is_signed_in_doubt(attesting: Attesting, ledger: Ledger) -> None:
    order = await attesting.client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    await ledger.observe(agreeing=0)
    status, answer = await attesting.client.ask(tx(1), attest=True)
    assert (status, answer["valid"], answer["code"]) == (503, False, "nodes_disagree")
    assert "attestation" not in answer

    # A chain whose blocks cannot be proven: the quorum's word is no ground for a signature.
    await ledger.observe()
    await ledger.connection.execute("UPDATE observation SET verification = 'quorum'")
    answer = await attesting.client.validate(tx(1), attest=True)
    assert (answer["valid"], answer["attestation"]) == (True, None)
    assert await ledger.connection.fetchval("SELECT count(*) FROM attestation") == 0


async def test_a_reversed_payment_is_attested_no_more(attesting: Attesting, ledger: Ledger) -> None:
    order = await attesting.client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    assert (await attesting.client.validate(tx(1), attest=True))["attestation"]
    await ledger.reorganise(1, [])
    answer = await attesting.client.validate(tx(1), attest=True)
    assert (answer["error"], answer["attestation"]) == ("payment_reversed", None)


async def test_finality_is_written_as_a_number_that_grows(
    attesting: Attesting, ledger: Ledger
) -> None:
    order = await attesting.client.order()
    block = await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    levels = []
    for depths in ({}, {"safe": block}, {"safe": block, "final": block}):
        await ledger.deepen(**depths)
        answer = await attesting.client.validate(tx(1), attest=True)
        levels.append((answer["verdict"]["finality"], answer["attestation"]["message"]["finality"]))
    assert levels == [("included", "0"), ("safe", "1"), ("finalized", "2")]


async def test_who_asks_again_gets_the_same_and_the_record_has_it_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    attestation_signer(tmp_path)
    # The beginning of a stretch of which all of it gets the same time of issue.
    now = [float(ledger.tip.timestamp // 30 * 30)]
    settings = settings_for(
        ledger.url,
        attestation_verifier_address=VERIFIER,
        attestation_keys_file=tmp_path / KEYS_NAME,
        max_observation_age_seconds=3600,
    )
    async with (
        served(settings, clock=lambda: now[0]) as first,
        served(settings, clock=lambda: now[0]) as second,
    ):
        order = await first.order()
        await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
        answers = await asyncio.gather(
            *(one.validate(tx(1), attest=True) for one in (first, second) * 5)
        )
        assert len({json.dumps(one["attestation"]) for one in answers}) == 1
        now[0] += 30
        later = await first.validate(tx(1), attest=True)
        other = await first.validate(tx(1), attest=True, consumer=CONSUMER)
    digests = {one["attestation"]["digest"] for one in (answers[0], later, other)}
    rows = await ledger.connection.fetch("SELECT * FROM attestation")
    assert {"0x" + row["digest"].hex() for row in rows} == digests
    assert len(digests) == 3
    assert {row["order_id"] for row in rows} == {order["id"]}
    assert {row["account_id"] for row in rows} == {"acc_open"}


@pytest.mark.parametrize(
    ("question", "code", "param"),
    [
        ({"attest": "yes"}, "attest_invalid", "attest"),
        ({"attest": 1}, "attest_invalid", "attest"),
        ({"attest": None}, "attest_invalid", "attest"),
        ({"consumer": CONSUMER}, "consumer_invalid", "consumer"),
        ({"consumer": CONSUMER, "attest": False}, "consumer_invalid", "consumer"),
        ({"attest": True, "consumer": 7}, "consumer_invalid", "consumer"),
        ({"attest": True, "consumer": {}}, "consumer_invalid", "consumer"),
        ({"attest": True, "consumer": "milk.eth"}, "address_invalid", "consumer"),
        ({"attest": True, "consumer": CONSUMER[:-1] + "C"}, "address_checksum_wrong", "consumer"),
    ],
)
async def test_a_malformed_wish_is_refused(
    attesting: Attesting, question: dict[str, Any], code: str, param: str
) -> None:
    status, answer = await attesting.client.ask(tx(1), **question)
    assert (status, answer["code"], answer["param"]) == (400, code, param)
    assert (answer["valid"], answer["error"]) == (False, code)


async def test_an_oracle_without_keys_says_so(client: Client) -> None:
    status, answer = await client.ask(tx(1), attest=True)
    assert (status, answer["error"], answer["param"]) == (501, "attestations_off", "attest")
    _, signers, _ = await client.call("GET", SIGNERS)
    assert (signers["domain"], signers["signers"]) == (None, [])


async def test_a_signer_that_fails_or_lies_gives_no_yes(
    attesting: Attesting, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a key service elsewhere, which no test can make fail for real."""
    order = await attesting.client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    honest = InProcessSigner.sign

    async def high_s(self: InProcessSigner, digest: bytes) -> bytes:
        good = await honest(self, digest)
        order_of_curve = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        s = order_of_curve - int.from_bytes(good[32:64])
        return good[:32] + s.to_bytes(32) + bytes([55 - good[64]])

    async def of_another_digest(self: InProcessSigner, digest: bytes) -> bytes:
        return await honest(self, digest[::-1])

    async def away(*_: object) -> bytes:
        raise ConnectionError

    async def silent(*_: object) -> bytes:
        return await asyncio.get_running_loop().create_future()

    async def garbage(_: object, digest: bytes) -> bytes:
        return digest

    for fault in (high_s, of_another_digest, away, garbage, silent):
        monkeypatch.setattr(InProcessSigner, "sign", fault)
        if fault is silent:
            # For the others it would be refused for being late, and not for being wrong.
            monkeypatch.setattr(service, "SIGN_TIMEOUT_SECONDS", 0.05)
        status, answer = await attesting.client.ask(tx(1), attest=True)
        assert (status, answer["code"]) == (503, "attestation_unavailable"), fault
        assert (answer["valid"], answer["retryable"]) == (False, True)
        assert (await attesting.client.validate(tx(1)))["valid"]
    assert await ledger.connection.fetchval("SELECT count(*) FROM attestation") == 0


async def test_what_cannot_be_recorded_is_not_given_out(
    attesting: Attesting, ledger: Ledger
) -> None:
    order = await attesting.client.order()
    await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
    await ledger.connection.execute("ALTER TABLE attestation RENAME TO elsewhere")
    status, answer = await attesting.client.ask(tx(1), attest=True)
    assert (status, answer["valid"]) == (503, False)
    assert "attestation" not in answer


async def test_the_key_is_in_no_log_and_in_no_table(attesting: Attesting, ledger: Ledger) -> None:
    written = io.StringIO()
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logs("DEBUG")
        root.handlers[0].setStream(written)  # type: ignore[attr-defined]
        order = await attesting.client.order()
        await ledger.block(Pay(order["orderAddress"], "0.25", tx(1)))
        answer = await attesting.client.validate(tx(1), attest=True)
        await attesting.client.call("GET", SIGNERS)
        await attesting.client.call("GET", "/metrics")
    finally:
        root.handlers, root.level = handlers, level
        structlog.configure(**before)
    secret = attesting.key.removeprefix("0x")
    tables = await ledger.connection.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname = 'public'"
    )
    assert answer["attestation"]
    for table in tables:
        rows = await ledger.connection.fetch(f"SELECT t::text AS line FROM {table['name']} t")  # noqa: S608
        assert not any(secret in row["line"] for row in rows), table["name"]
    assert secret not in written.getvalue()
    assert secret not in repr(attesting.client.oracle.__dict__) + json.dumps(answer)


async def test_an_attestation_of_one_order_is_none_of_another(
    attesting: Attesting, ledger: Ledger
) -> None:
    client = attesting.client
    orders = [await client.order() for _ in range(2)]
    await ledger.block(
        *(Pay(order["orderAddress"], "0.25", tx(place)) for place, order in enumerate(orders))
    )
    first, second = [
        (await client.validate(tx(place), attest=True))["attestation"] for place in range(2)
    ]
    _, signers, _ = await client.call("GET", SIGNERS)
    assert first["message"]["orderKey"] != second["message"]["orderKey"]
    swapped = first | {"message": first["message"] | {"orderKey": second["message"]["orderKey"]}}
    assert recovered(signers, swapped) != first["signer"]
