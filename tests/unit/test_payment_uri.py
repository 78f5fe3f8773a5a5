"""What a payment request may look like, case by case."""

import pytest

from ledger.errors import RejectedError
from ledger.payment_uri import (
    TransferRequest,
    format_address,
    format_payment_uri,
    parse_address,
    parse_payment_uri,
)
from ledger.units import Units

TOKEN = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PAYEE = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
REQUEST = TransferRequest(
    token=bytes.fromhex(TOKEN[2:]),
    chain_id=31337,
    recipient=bytes.fromhex(PAYEE[2:]),
    units=Units(250_000_000_000_000_000),
)
URI = f"ethereum:{TOKEN}@31337/transfer?address={PAYEE}&uint256=250000000000000000"


# The examples of EIP-55 itself.
@pytest.mark.parametrize(
    "address",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        TOKEN,
        PAYEE,
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_address_has_the_checksum_of_eip_55(address: str) -> None:
    assert format_address(bytes.fromhex(address[2:])) == address
    assert parse_address(address, param="address") == bytes.fromhex(address[2:])


def test_request_is_written_as_eip_681_says() -> None:
    assert format_payment_uri(REQUEST) == URI


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        URI.replace("ethereum:", "ethereum:pay-"),
        URI.replace(TOKEN, TOKEN.lower()),
        URI.replace(PAYEE, "0x" + PAYEE[2:].upper()),
        URI.replace("250000000000000000", "25e16"),
        URI.replace("250000000000000000", "2.5E17"),
        URI.replace("250000000000000000", "0.25e18"),
        URI.replace("250000000000000000", "2500.000e14"),
    ],
)
def test_forms_that_mean_the_same(uri: str) -> None:
    assert parse_payment_uri(uri) == REQUEST


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("", "uri_invalid"),
        ("bitcoin:" + URI, "uri_invalid"),
        (" " + URI, "uri_invalid"),
        (URI.upper(), "uri_invalid"),
        (URI + "0" * 512, "uri_invalid"),
        (URI.replace("@31337", "@31337@1"), "chain_invalid"),
        (URI.replace("@31337", ""), "chain_invalid"),
        (URI.replace("@31337", "@"), "chain_invalid"),
        (URI.replace("@31337", "@0x7a69"), "chain_invalid"),
        (URI.replace("@31337", "@031337"), "chain_invalid"),
        (URI.replace("@31337", "@0"), "chain_invalid"),
        (URI.replace("@31337", "@9999999999999999999"), "chain_invalid"),
        (URI.replace("@31337", "@٣"), "chain_invalid"),
        (URI.replace("/transfer", ""), "function_unsupported"),
        (URI.replace("/transfer", "/approve"), "function_unsupported"),
        (URI.replace("/transfer", "/Transfer"), "function_unsupported"),
        (URI.replace("/transfer", "/transfer/"), "function_unsupported"),
        (URI.replace(TOKEN, "billcoin.eth"), "address_invalid"),
        (URI.replace(TOKEN, "pay-pay-" + TOKEN), "address_invalid"),
        (URI.replace(TOKEN, TOKEN.replace("0x", "0X")), "address_invalid"),
        (URI.replace(TOKEN, TOKEN[:-1]), "address_invalid"),
        (URI.replace(PAYEE, "milk.eth"), "address_invalid"),
        (URI.replace(PAYEE, PAYEE.replace("fB", "fb")), "address_checksum_wrong"),
        (URI.replace(TOKEN, TOKEN.replace("5a", "5b")), "address_checksum_wrong"),
        (URI.replace(PAYEE, "%30x" + PAYEE[2:]), "address_invalid"),
        (URI + f"&address={PAYEE}", "parameter_duplicate"),
        (URI + "&uint256=1", "parameter_duplicate"),
        (URI + "&gas=21000", "parameter_unknown"),
        (URI + "&value=1", "parameter_unknown"),
        (URI + "&", "parameter_unknown"),
        (URI.replace("uint256", "uint128"), "parameter_unknown"),
        (URI.replace(f"address={PAYEE}&", ""), "parameter_missing"),
        (URI.split("&", maxsplit=1)[0], "parameter_missing"),
        (URI.split("?", maxsplit=1)[0], "parameter_missing"),
        (
            f"ethereum:{TOKEN}@31337/transfer?uint256=1&address={PAYEE}",
            "uri_invalid",
        ),
        *(
            (URI.replace("250000000000000000", number), "amount_invalid")
            for number in (
                "",
                "0",
                "0e5",
                "-1",
                "+1",
                "01",
                "1.0",
                "1e",
                "1e-1",
                "2.55e1",
                ".5e1",
                "1e99",
                "1e 1",
                "1_000",
                "0x10",
                "1=1",
                "NaN",
                "٣",
                str(2**256),
            )
        ),
    ],
)
def test_anything_else_is_refused_by_name(uri: str, code: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        parse_payment_uri(uri)
    assert refusal.value.code == code


def test_the_largest_amount_fits() -> None:
    uri = URI.replace("250000000000000000", str(2**256 - 1))
    assert parse_payment_uri(uri).units == 2**256 - 1


@pytest.mark.parametrize(
    "request_",
    [
        TransferRequest(b"\1" * 19, 1, b"\2" * 20, Units(1)),
        TransferRequest(b"\1" * 20, 0, b"\2" * 20, Units(1)),
        TransferRequest(b"\1" * 20, 1, b"\2" * 20, Units(0)),
        TransferRequest(b"\1" * 20, 1, b"\2" * 20, Units(2**256)),
    ],
)
def test_a_request_that_cannot_be_read_back_is_not_written(request_: TransferRequest) -> None:
    with pytest.raises(ValueError, match=r"an address has|out of range"):
        format_payment_uri(request_)
