"""The partner's client against a served oracle, with and without asyncio."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from oracle_support import (
    Client,
    Ledger,
    Pay,
    served,
    settings_for,
    tx,
    until_journal_is_read,
)
from webhook_support import add_account

from billcoin_client import (
    AnswerMalformedError,
    AsyncBillcoinClient,
    AttestationInvalidError,
    AttestationSigner,
    AuthenticationError,
    BillcoinClient,
    BillcoinError,
    ConflictError,
    NotFoundError,
    OracleUnreachableError,
    ProblemError,
    RequestInvalidError,
    ServerError,
    SignedAttestation,
    ThrottledError,
    UnsureError,
    WebhookInvalidError,
    verify_attestation,
    verify_webhook,
)
from billcoin_client.calls import Call
from billcoin_client.exchange import Exchange, Patience
from devnet.attestation_key import KEYS_NAME, attestation_signer
from oracle_api.webhooks.signing import Secret, SecretKind, signed_headers

Result = TypeVar("Result")
HASTE = Patience(timeout_seconds=10, retries=3, first_pause_seconds=0.001, max_pause_seconds=0.01)
CONSUMER = "0x" + "c0" * 20


@pytest.fixture
async def oracle(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Client]:
    attestation_signer(tmp_path)
    settings = settings_for(
        ledger.url,
        attestation_verifier_address=b"\x5e" * 20,
        attestation_keys_file=tmp_path / KEYS_NAME,
    )
    async with served(settings) as client:
        await until_journal_is_read(client)
        yield client


async def test_an_order_is_made_found_listed_and_cancelled_without_asyncio(
    oracle: Client, ledger: Ledger
) -> None:
    def work() -> None:
        with BillcoinClient(oracle.base, patience=HASTE) as client:
            made = client.create_order(
                items={"fresh-250ml": 2}, reference="table 4", idempotency_key="k"
            )
            again = client.create_order(
                items={"fresh-250ml": 2}, reference="table 4", idempotency_key="k"
            )
            assert again == made
            assert (made.amount_myr, made.amount_due) == (Decimal("3.60"), Decimal("0.5"))
            assert made.amount_due_units == 500_000_000_000_000_000
            assert (made.items[0].sku, made.items[0].quantity) == ("fresh-250ml", 2)
            assert made.items[0].unit_price_myr == Decimal("1.80")
            assert made.expires_at - made.created_at > timedelta(minutes=14)
            assert made.payments == ()
            assert not made.is_paid

            found = client.get_order(made.id)
            assert found == made
            assert client.get_order(made.id, known=found) is found
            assert "<svg" in client.qr_svg(made.id)
            with pytest.raises(ConflictError) as conflict:
                client.create_order(amount_myr="1.80", idempotency_key="k")
            assert (conflict.value.code, conflict.value.param, conflict.value.retryable) == (
                "idempotency_key_reused",
                "Idempotency-Key",
                False,
            )

            brief = client.create_order(amount_myr="1.80", expires_in_seconds=5)
            assert brief.expires_at - brief.created_at <= timedelta(seconds=5)
            assert client.cancel_order(brief.id).status == "cancelled"
            with pytest.raises(RequestInvalidError) as too_long:
                client.create_order(amount_myr="1.80", expires_in_seconds=901)
            assert too_long.value.param == "expiresInSeconds"

            more = [client.create_order(amount_myr=Decimal("1.80")) for _ in range(4)]
            listed = list(client.iter_orders(page_size=2))
            assert [one.id for one in listed] == sorted(
                (one.id for one in (made, *more)), reverse=True
            )
            assert client.cancel_order(more[0].id).status == "cancelled"
            assert [one.id for one in client.iter_orders("cancelled")] == [more[0].id, brief.id]

    await asyncio.to_thread(work)
    assert ledger.tip


async def test_a_payment_is_waited_for_and_validated_with_asyncio(
    oracle: Client, ledger: Ledger
) -> None:
    async with AsyncBillcoinClient(oracle.base, patience=HASTE) as client:
        order = await client.create_order(amount_myr="1.80")
        assert not await client.validate("0x" + tx(1).hex(), order.amount_due)
        waiting = asyncio.create_task(
            client.validate("0x" + tx(1).hex(), order.amount_due, order_id=order.id, wait=20)
        )
        held = asyncio.create_task(client.get_order(order.id, wait=20, known=order))
        await asyncio.sleep(0)
        block = await ledger.block(Pay(order.order_address, "0.25", tx(1)))
        answer = await waiting
        assert answer
        assert answer.valid
        assert answer.confirmed_at == datetime.fromtimestamp(block.timestamp, UTC)
        assert answer.error is None
        assert answer.attestation is None
        verdict = answer.verdict
        assert (verdict.order_id, verdict.code, verdict.status) == (order.id, "valid", "paid")
        assert (verdict.block_number, verdict.as_of.block_number) == (block.number, block.number)
        assert (await held).is_paid
        assert [one.id async for one in client.iter_orders("paid")] == [order.id]
        paid = await client.get_order(order.id)
        assert paid.payments is not None
        assert paid.payments[0].tx_hash == "0x" + tx(1).hex()
        in_ringgit = await client.validate("0x" + tx(1).hex(), Decimal("1.80"), currency="MYR")
        assert in_ringgit.valid
        with pytest.raises(ProblemError) as pending:
            await client.payment_proof("0x" + tx(9).hex())
        assert isinstance(pending.value, NotFoundError)
        cancelled = await client.create_order(amount_myr="2.20")
        assert (await client.cancel_order(cancelled.id)).status == "cancelled"
        assert "<svg" in await client.qr_svg(order.id)


async def test_refusals_have_kinds_codes_and_the_request_s_id(
    oracle: Client, ledger: Ledger
) -> None:
    async with AsyncBillcoinClient(oracle.base, patience=HASTE) as client:
        with pytest.raises(NotFoundError) as missing:
            await client.get_order("ord_" + "0" * 26)
        assert (missing.value.code, missing.value.status) == ("order_not_found", 404)
        with pytest.raises(RequestInvalidError) as invalid:
            await client.validate("0x12", "1")
        assert (invalid.value.code, invalid.value.param) == ("tx_hash_invalid", "txHash")
        assert invalid.value.request_id.startswith("req_")
        assert invalid.value.request_id in str(invalid.value)
        # An id with a slash in it stays one part of the path.
        with pytest.raises(NotFoundError):
            await client.get_order("../../healthz")
        with pytest.raises(TypeError, match="no exact amount"):
            await client.validate("0x12", 0.25)  # type: ignore[arg-type]
        await ledger.observe(agreeing=0)
        with pytest.raises(UnsureError) as unsure:
            await client.validate("0x" + tx(1).hex(), "0.25")
        assert (unsure.value.code, unsure.value.retryable) == ("nodes_disagree", True)


async def test_nobody_there_is_an_error_of_its_own() -> None:
    haste = replace(HASTE, retries=1)
    async with AsyncBillcoinClient("http://127.0.0.1:1", patience=haste) as client:
        with pytest.raises(OracleUnreachableError):
            await client.attestation_signers()
    with (
        BillcoinClient("http://127.0.0.1:1", patience=haste) as without_asyncio,
        pytest.raises(OracleUnreachableError),
    ):
        await asyncio.to_thread(without_asyncio.attestation_signers)


async def test_an_attestation_is_verified_offline(oracle: Client, ledger: Ledger) -> None:
    async with AsyncBillcoinClient(oracle.base, patience=HASTE) as client:
        order = await client.create_order(amount_myr="1.80")
        other = await client.create_order(amount_myr="1.80")
        await ledger.block(Pay(order.order_address, "0.25", tx(1)))
        answer = await client.validate("0x" + tx(1).hex(), "0.25", consumer=CONSUMER)
        signers = await client.attestation_signers()
        signed = answer.attestation
        assert signed is not None

        found = verify_attestation(signed, signers, order_id=order.id)
        assert found.amount_due == order.amount_due_units
        assert (found.tx_hash, found.consumer, found.finality) == (tx(1), CONSUMER, "included")
        assert found.signer == signers.signers[0].address
        assert found.block_number == ledger.tip.number

        def refusal(attestation: SignedAttestation = signed, **changes: Any) -> str:
            with pytest.raises(AttestationInvalidError) as refused:
                verify_attestation(
                    attestation,
                    changes.pop("signers", signers),
                    **({"order_id": order.id} | changes),
                )
            return refused.value.code

        for name, value in signed.message.items():
            last = "e" if value[-1] != "e" else "d"
            flipped = "1" + value if not value.startswith("0x") else value[:-1] + last
            tampered = replace(signed, message={**signed.message, name: flipped})
            assert refusal(tampered) in {"signer_unknown", "attestation_malformed"}, name
        assert refusal(order_id=other.id) == "order_mismatch"
        assert refusal(now=found.expires_at) == "attestation_expired"
        assert refusal(now=time.time() + 301) == "attestation_expired"

        # The domain is the one that is trusted, whatever the attestation says of itself.
        assert signers.domain is not None
        for domain in (
            replace(signers.domain, chain_id=1),
            replace(signers.domain, verifying_contract="0x" + "99" * 20),
        ):
            theirs = replace(signed, domain=domain)
            assert verify_attestation(theirs, signers, order_id=order.id) == found
            assert refusal(signers=replace(signers, domain=domain)) == "signer_unknown"
        assert refusal(signers=replace(signers, domain=None)) == "signers_missing"
        revoked = AttestationSigner(found.signer, "revoked", None, None)
        assert refusal(signers=replace(signers, signers=(revoked,))) == "signer_revoked"
        assert refusal(signers=replace(signers, signers=())) == "signer_unknown"
        later_word = AttestationSigner(found.signer, "suspended", None, None)
        assert refusal(signers=replace(signers, signers=(later_word,))) == "signer_revoked"

        r, s, v = signed.signature[2:66], int(signed.signature[66:130], 16), signed.signature[130:]
        curve = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        other_v = "1c" if v == "1b" else "1b"
        for signature, code in (
            (f"0x{r}{curve - s:064x}{other_v}", "attestation_malformed"),
            (f"0x{r}{s:064x}{other_v}", "signer_unknown"),
            (f"0x{r}{s:064x}00", "attestation_malformed"),
            (f"0x{r}{s:064x}", "attestation_malformed"),
            ("0x", "attestation_malformed"),
            ("0x" + "00" * 64 + "1b", "attestation_malformed"),
        ):
            found_code = refusal(replace(signed, signature=signature))
            assert found_code in {code, "signer_unknown"}, signature
        shorter = {name: value for name, value in signed.message.items() if name != "consumer"}
        assert refusal(replace(signed, message=shorter)) == "attestation_malformed"
        numbers = {**signed.message, "amountDue": 250_000_000_000_000_000}
        assert refusal(replace(signed, message=numbers)) == "attestation_malformed"


Handler = Callable[[httpx.Request], httpx.Response]


def called(handler: Handler, patience: Patience = HASTE) -> Any:
    """What a client makes of answers that no oracle of ours gives."""
    with BillcoinClient(
        "https://pay.example.org", patience=patience, transport=httpx.MockTransport(handler)
    ) as client:
        return client.validate("0x" + tx(1).hex(), "0.25")


ANSWER: dict[str, Any] = {
    "valid": True,
    "confirmedAt": "2026-04-10T08:15:23Z",
    "error": None,
    "verdict": {
        "orderId": None,
        "status": "paid",
        "code": "valid",
        "finality": "included",
        "confirmations": 1,
        "blockNumber": 1,
        "blockHash": "0x",
        "asOf": {
            "blockNumber": 1,
            "blockHash": "0x",
            "timestamp": "2026-04-10T08:15:23Z",
            "blocksBehind": None,
        },
        "nodesAgreeing": None,
        "nodesAsked": None,
        "verification": None,
        "retryable": False,
        "laterField": {"unknown": "to this client"},
    },
}


def test_what_may_succeed_later_is_tried_again_with_the_same_key() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            raise httpx.ConnectError("refused")
        if len(seen) == 2:
            return httpx.Response(502, text="<html>a proxy's page</html>")
        if len(seen) == 3:
            problem = {"code": "database_unavailable", "retryable": True}
            return httpx.Response(503, json=problem, headers={"Retry-After": "0"})
        return httpx.Response(404, json={"code": "order_not_found", "retryable": False})

    transport = httpx.MockTransport(handler)
    with (
        BillcoinClient(
            "https://pay.example.org/", api_key="bck_test_x", patience=HASTE, transport=transport
        ) as client,
        pytest.raises(NotFoundError),
    ):
        client.create_order(amount_myr="1.80")
    assert len(seen) == 4
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert {str(request.url) for request in seen} == {"https://pay.example.org/api/v1/orders"}
    assert {request.headers["authorization"] for request in seen} == {"Bearer bck_test_x"}
    assert seen[0].headers["user-agent"].startswith("billcoin-client/0.1.0 python/3.")


def test_retries_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("billcoin_client.client.time.sleep", pauses.append)
    problem = {"code": "internal_error", "retryable": True}
    with pytest.raises(ServerError):
        called(lambda _: httpx.Response(500, json=problem))
    assert len(pauses) == HASTE.retries


def test_the_oracle_s_wish_to_wait_is_kept_or_left_to_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("billcoin_client.client.time.sleep", pauses.append)
    answers = iter(
        [
            httpx.Response(
                429, json={"code": "x", "retryable": True}, headers={"Retry-After": "7"}
            ),
            httpx.Response(200, json=ANSWER),
        ]
    )
    assert called(lambda _: next(answers), Patience())
    assert pauses == [7.0]
    busy = {"code": "x", "retryable": True}
    with pytest.raises(ThrottledError) as throttled:
        called(
            lambda _: httpx.Response(429, json=busy, headers={"Retry-After": "3600"}), Patience()
        )
    assert throttled.value.retry_after_seconds == 3600
    assert len(pauses) == 1


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>sign in to the hotel's network</html>"),
        httpx.Response(200, text="{", headers={"content-type": "application/json"}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json=ANSWER | {"valid": "false"}),
        httpx.Response(200, json=ANSWER | {"valid": 1}),
        httpx.Response(200, json=ANSWER | {"confirmedAt": "2026-04-10T08:15:23"}),
        httpx.Response(200, json=ANSWER | {"verdict": None}),
        httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
        httpx.Response(304),
    ],
)
def test_what_is_no_answer_is_never_a_yes(response: httpx.Response) -> None:
    with pytest.raises(BillcoinError) as refused:
        called(lambda _: response, replace(HASTE, retries=0))
    assert isinstance(refused.value, AnswerMalformedError)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>sign in to the hotel's network</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, text="[" * 100_000, headers={"content-type": "application/json"}),
    ],
)
def test_what_is_no_answer_is_nothing_else_either(response: httpx.Response) -> None:
    transport = httpx.MockTransport(lambda _: response)
    with BillcoinClient("https://a.b", patience=HASTE, transport=transport) as client:
        for ask in (
            lambda: client.payment_proof("0x" + "5c" * 32),
            lambda: client.qr_svg("ord_1"),
            client.attestation_signers,
            lambda: client.get_order("ord_1"),
            lambda: list(client.iter_orders()),
        ):
            with pytest.raises(AnswerMalformedError):
                ask()


def test_a_key_goes_over_tls_or_stays_on_this_machine() -> None:
    for url in ("http://pay.example.org", "http://10.0.0.7:8400"):
        with pytest.raises(ValueError, match="https only"):
            BillcoinClient(url, api_key="bck_live_x")
    for url in ("", "pay.example.org", "ftp://pay.example.org"):
        with pytest.raises(ValueError, match="is no URL"):
            BillcoinClient(url)
    for url in ("http://127.0.0.1:8400", "http://localhost:1", "http://[::1]:1", "https://a.b"):
        BillcoinClient(url, api_key="bck_live_x").close()
    assert "bck_live" not in repr(Exchange("https://a.b", "bck_live_x", HASTE))


def test_a_held_request_is_given_the_time_that_it_asked_for() -> None:
    exchange = Exchange("https://a.b", None, HASTE)
    call = Call("GET", "/x", lambda answer: answer, wait_seconds=20)
    assert exchange.request(call)["timeout"] == HASTE.timeout_seconds + 20


NOW = datetime.now(UTC).replace(microsecond=0)
EVENT = {
    "id": "evt_000000000000002a",
    "type": "order.paid",
    "timestamp": NOW.isoformat(),
    "data": {"orderId": "ord_1"},
}
BODY = json.dumps(EVENT).encode()
HMAC = Secret(SecretKind.HMAC, b"s" * 32)
ED25519 = Secret(SecretKind.ED25519, b"k" * 32)
OF_KIND = {"hmac": HMAC, "ed25519": ED25519}


def known(secret: Secret) -> str:
    """What a partner has: the shared secret, or the public key."""
    return str(secret.shared or secret.public_key)


def delivery(
    secret: Secret, *, body: bytes = BODY, age_seconds: int = 0, message_id: str = EVENT["id"]
) -> dict[str, str]:
    """A delivery as the oracle signs it, with a second signature of a secret that we lost."""
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    lost = Secret(SecretKind.HMAC, b"l" * 32)
    signed = signed_headers(message_id, at, body, [lost, secret])
    return {name.title(): value for name, value in signed.items()}


@pytest.mark.parametrize("kind", OF_KIND)
def test_a_genuine_delivery_is_an_event(kind: str) -> None:
    secret = OF_KIND[kind]
    for secrets in (known(secret), [known(HMAC), known(ED25519)], ("whsec_b2xk", known(secret))):
        event = verify_webhook(delivery(secret), BODY, secrets)
        assert (event.id, event.type, event.timestamp) == (EVENT["id"], "order.paid", NOW)
        assert event.data["orderId"] == "ord_1"


@pytest.mark.parametrize("kind", OF_KIND)
def test_a_forged_old_or_broken_delivery_is_refused(kind: str) -> None:
    secret = OF_KIND[kind]
    good, mine = delivery(secret), known(secret)
    cases: list[tuple[dict[str, str], bytes, str]] = [
        (good, BODY.replace(b"paid", b"void"), mine),
        (good | {"Webhook-Id": "evt_2"}, BODY, mine),
        (good | {"Webhook-Timestamp": str(int(time.time()) - 10)}, BODY, mine),
        (good, BODY, known(Secret(SecretKind.HMAC, b"o" * 32))),
        (good, BODY, known(Secret(SecretKind.ED25519, b"x" * 32))),
        (delivery(secret, age_seconds=400), BODY, mine),
        (delivery(secret, age_seconds=-400), BODY, mine),
        ({}, BODY, mine),
    ]
    broken = ("", "v1", "v1,!!!", "v1a,!!!", "v1,", "v1a,", "v2,AAAA", "garbage")
    stamps = ("", "now", "-1", "1e9", "inf", "nan", "9" * 30, "9" * 5_000, "٣")
    cases += [(good | {"Webhook-Signature": one}, BODY, mine) for one in broken]
    cases += [(good | {"Webhook-Timestamp": one}, BODY, mine) for one in stamps]
    for headers, body, with_secret in cases:
        with pytest.raises(WebhookInvalidError):
            verify_webhook(headers, body, with_secret)


def test_a_signature_of_one_kind_is_none_of_the_other() -> None:
    for signed, asked in ((HMAC, ED25519), (ED25519, HMAC)):
        with pytest.raises(WebhookInvalidError):
            verify_webhook(delivery(signed), BODY, known(asked))


@pytest.mark.parametrize(
    "body",
    [
        *(b"not json", b"[]", b"{}", b'"x"'),
        json.dumps(EVENT | {"id": "evt_of_another"}).encode(),
        json.dumps(EVENT | {"data": None}).encode(),
    ],
)
def test_a_signed_body_that_is_not_that_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookInvalidError):
        verify_webhook(delivery(HMAC, body=body), body, known(HMAC))


async def test_an_api_key_opens_what_is_the_account_s_own(ledger: Ledger) -> None:
    async with served(settings_for(ledger.url, access="accounts")) as oracle:
        mine, theirs = [await add_account(ledger.connection, oracle) for _ in range(2)]
        async with (
            AsyncBillcoinClient(oracle.base, api_key=mine.key) as client,
            AsyncBillcoinClient(oracle.base, api_key=theirs.key) as other,
            AsyncBillcoinClient(oracle.base) as nobody,
        ):
            order = await client.create_order(amount_myr="1.80")
            assert [one.id async for one in client.iter_orders()] == [order.id]
            assert [one.id async for one in other.iter_orders()] == []
            with pytest.raises(NotFoundError):
                await other.get_order(order.id)
            with pytest.raises(AuthenticationError) as refused:
                await nobody.get_order(order.id)
            assert refused.value.code == "credentials_missing"
            assert not await nobody.validate("0x" + tx(1).hex(), "0.25")


@pytest.mark.parametrize(
    ("content", "is_deep"),
    [
        (b"[" * 65, True),
        (b"[" * 64 + b"]" * 64, False),
        (b'{"a":' * 65, True),
        (b"[" + b"[]," * 500 + b"[]]", False),
        (b'["' + b"[" * 500 + b'"]', False),
        (b'["\\"' + b"[" * 500 + b'"]', False),
        (b'["\\\\"' + b"[" * 500, True),
        (b'["' + b"[" * 500, False),
        (b'["\\' + b"[" * 500, False),
        (b'"\\"' * 1_000_000 + b"[" * 100, False),
    ],
)
def test_an_answer_that_is_nested_too_deeply_is_not_read(content: bytes, *, is_deep: bool) -> None:
    """It ended the whole program: nothing can be caught where the stack has ended."""
    response = httpx.Response(200, content=content, headers={"content-type": "application/json"})
    transport = httpx.MockTransport(lambda _: response)
    with (
        BillcoinClient("https://a.b", transport=transport) as client,
        pytest.raises(AnswerMalformedError) as refused,
    ):
        client.payment_proof("0x" + "5c" * 32)
    assert ("nested too deeply" in str(refused.value)) is is_deep
