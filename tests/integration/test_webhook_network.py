"""A connection goes to the address that was checked, to nobody else, and only over good TLS."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from oracle_support import open_ledger, served, settings_for
from webhook_support import (
    Account,
    Receiver,
    add_account,
    anywhere,
    receiving,
    start_jobs,
    write_keys,
)

from oracle_api.webhooks.addresses import is_public
from oracle_api.webhooks.lookup import SystemLookup
from oracle_api.webhooks.sender import Outcome, Sender, open_sender

NOW = dt.datetime(2026, 4, 10, tzinfo=dt.UTC)
INTERNAL = "127.0.0.3"


class FakeLookup:
    """Answers one list of addresses after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def all_but_internal(address: str) -> bool:
    """Of a world in which the loopback network is the internet, but for one address of ours."""
    return address != INTERNAL


async def send(sender: Sender, url: str) -> Outcome:
    return await sender.send(url, b"{}", {"webhook-id": "evt_1"}, now=NOW)


def named(receiver: Receiver, name: str = "shop.example") -> str:
    return receiver.url.replace("127.0.0.2", name).replace("127.0.0.3", name)


async def test_a_name_that_points_elsewhere_the_second_time_gains_nothing() -> None:
    """DNS rebinding: what was checked is what is connected to; nobody asks a second time."""
    async with receiving(host="127.0.0.2") as public:
        port = public.url.rsplit(":", 1)[1]
        lookup = FakeLookup(["127.0.0.2"], [INTERNAL])
        async with open_sender(lookup, all_but_internal) as sender:
            first = await send(sender, f"http://shop.example:{port}")
            assert (first.status_code, first.error) == (204, None)
            assert lookup.asked == ["shop.example"]
            assert len(public.received) == 1
            assert public.received[0].headers["host"] == f"shop.example:{port.split('/')[0]}"
            # The next attempt looks anew, and does not go there.
            second = await send(sender, f"http://shop.example:{port}")
            assert (second.status_code, second.error) == (None, "address_forbidden")
            assert len(lookup.asked) == 2


async def test_one_forbidden_address_among_good_ones_forbids_all() -> None:
    async with receiving(host="127.0.0.2") as public, receiving(host=INTERNAL) as internal:
        for addresses in ([INTERNAL, "127.0.0.2"], ["127.0.0.2", INTERNAL]):
            async with open_sender(FakeLookup(addresses), all_but_internal) as sender:
                for receiver in (public, internal):
                    outcome = await send(sender, named(receiver))
                    assert outcome.error == "address_forbidden"
        assert public.received == internal.received == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",  # noqa: S104 - to be refused
        "169.254.169.254",
        "2130706433",
        "127.1",
        "0x7f.1",
        "localhost",
    ],
)
async def test_with_the_real_resolver_no_way_of_writing_leads_to_this_machine(host: str) -> None:
    async with receiving() as receiver, open_sender(SystemLookup(), is_public) as sender:
        outcome = await send(sender, receiver.url.replace("127.0.0.1", host))
        assert outcome.error == "address_forbidden"
        assert receiver.received == []


async def first_attempt(partner: Account, webhook_id: str) -> tuple[str, int | None, str | None]:
    """How the only delivery stands after its first attempt, and what came of that."""
    async with asyncio.timeout(30):
        while True:
            (delivery,) = await partner.deliveries(webhook_id)
            if delivery["attempts"]:
                attempt = delivery["attempts"][0]
                return delivery["status"], attempt["statusCode"], attempt["error"]
            await asyncio.sleep(0.02)


async def test_the_process_that_sends_refuses_this_machine_unless_told_otherwise(
    ledger_url: str, tmp_path: Path
) -> None:
    """A name that passed when it was registered leads to us by the time of its delivery."""
    keys = write_keys(tmp_path)
    # Stands for that moment: what this oracle takes, the process that sends must not.
    lenient = settings_for(
        ledger_url, access="accounts", webhook_keys_file=keys, webhook_allow_private=True
    )
    async with (
        open_ledger(ledger_url) as ledger,
        served(lenient) as client,
        receiving() as receiver,
    ):
        partner = await add_account(ledger.connection, client)
        webhook = await partner.webhook(receiver.url.replace("127.0.0.1", "localhost"))
        await partner.call("POST", f"/{webhook['id']}/test")
        jobs = await start_jobs(ledger, keys)
        try:
            attempted = await first_attempt(partner, webhook["id"])
        finally:
            jobs.send_signal(signal.SIGTERM)
            status = await jobs.wait()
        assert attempted == ("pending", None, "address_forbidden")
        assert status == 0
        assert receiver.received == []


async def test_the_environment_s_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(host="127.0.0.2") as public, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with open_sender(FakeLookup(["127.0.0.2"]), anywhere) as sender:
            assert (await send(sender, named(public))).error is None
        assert (len(public.received), proxy.received) == (1, [])


async def test_no_cookie_is_kept() -> None:
    async with receiving() as receiver, open_sender(SystemLookup(), anywhere) as sender:

        async def bake(_: object) -> web.StreamResponse:
            return web.Response(headers={"Set-Cookie": "session=1; Path=/"})

        receiver.answer = bake
        for _ in range(2):
            await send(sender, receiver.url)
        assert all("cookie" not in one.headers for one in receiver.received)


def certificate_for(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side and its client's trust, for a certificate of this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name[0].isdigit():
        names = [x509.IPAddress(ipaddress.ip_address(name))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / f"{name}.pem"
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_the_certificate_must_be_trusted_and_of_that_very_name(tmp_path: Path) -> None:
    server, trust = certificate_for("shop.example", tmp_path)
    lookup = FakeLookup(["127.0.0.2"])
    async with receiving(host="127.0.0.2", tls=server) as receiver:
        async with open_sender(lookup, anywhere, tls=trust) as sender:
            assert (await send(sender, named(receiver))).error is None
            assert (await send(sender, named(receiver, "other.example"))).error == "tls_failed"
            # Its address is not its name.
            assert (await send(sender, receiver.url)).error == "tls_failed"
        async with open_sender(lookup, anywhere) as sender:
            assert (await send(sender, named(receiver))).error == "tls_failed"
        assert len(receiver.received) == 1


@pytest.mark.parametrize("is_secure", [False, True])
@pytest.mark.parametrize(
    ("head", "flood", "outcome"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", (None, "answer_malformed")),
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", (None, "answer_malformed")),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096, (200, None)),
    ],
    ids=["interim", "hints", "body"],
)
async def test_of_an_answer_without_end_little_is_heard(
    tmp_path: Path,
    head: bytes,
    flood: bytes,
    outcome: tuple[int | None, str | None],
    *,
    is_secure: bool,
) -> None:
    """Each interim answer is parsed: for fifteen seconds nobody else's deliveries had a turn."""
    server_tls, trust = certificate_for("shop.example", tmp_path)
    sent = 0

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            # More than buffers on the way hold, and not without an end should nobody hang up.
            for _ in range(2_000):
                writer.write(flood * (16 * 1024 // len(flood)))
                await writer.drain()
                sent += 1
        writer.close()

    server = await asyncio.start_server(
        babble, "127.0.0.2", 0, ssl=server_tls if is_secure else None
    )
    port = server.sockets[0].getsockname()[1]
    lookup, scheme = FakeLookup(["127.0.0.2"]), "https" if is_secure else "http"
    async with server, open_sender(lookup, anywhere, tls=trust) as sender:
        found = await send(sender, f"{scheme}://shop.example:{port}/")
    assert (found.status_code, found.error) == outcome
    assert sent < 2_000
