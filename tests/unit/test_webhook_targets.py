"""No URL and no address leads a webhook into our own network."""

import pytest

from ledger.errors import RejectedError
from oracle_api.webhooks.addresses import is_public
from oracle_api.webhooks.target import MAX_URL_CHARACTERS, read_url

PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
]

FORBIDDEN = [
    # this host and this network
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "::", "::1"),  # noqa: S104
    # private
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"),
    # link-local, and metadata of clouds
    *("169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"),
    *("168.63.129.16", "100.100.100.200", "192.0.0.192"),
    # carriers' translators, benchmarks, documentation
    *("100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    # multicast, reserved, broadcast
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1"),
    # IPv4 inside IPv6: mapped, compatible, translated, 6to4, Teredo, ISATAP's link-local
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:7f00:1"),
    *("::127.0.0.1", "::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1.1.1.1", "2002:7f00:1::", "2002:0a00:1::1", "2002:101:101::1"),
    *("2001:0:7f00:1::", "2001::1", "fec0::1", "100::1", "5f00::1"),
    # no address at all
    *("", "localhost", "1.1.1", "0x7f000001", "2130706433", "1.1.1.1 ", "1.1.1.1/32"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_may_be_reached(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_ours_or_special_may_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/",
        "https://SHOP.example:8443/a/b?c=d&e=%20",
        "https://xn--bcher-kva.example/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:443/",
        "https://" + "a." * 100 + "example/",
    ],
)
def test_a_public_url_is_taken_as_it_is(url: str) -> None:
    assert read_url(url, allow_private=False) == url


BAD_URLS = [
    # schemes
    *("http://shop.example/", "ftp://shop.example/", "file:///etc/passwd", "//shop.example/"),
    *("javascript:alert(1)", "HTTPS://shop.example/", "", "shop.example"),
    # who, and to where within a page
    *("https://user@shop.example/", "https://user:password@shop.example/", "https://@a.example/"),
    *("https://shop.example/#part", "https://shop.example#@evil.example/"),
    # ports
    *("https://shop.example:22/", "https://shop.example:6379/", "https://shop.example:80/"),
    *("https://shop.example:0/", "https://shop.example:65536/", "https://shop.example:/"),
    # names that are local, or none
    *("https://localhost/", "https://LOCALHOST/", "https://a.localhost/", "https://postgres/"),
    *("https://intranet/", "https://.example/", "https://-/", "https:///", "https://a..b-/"),
    # addresses of ours in all the ways of writing them
    *("https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/"),
    *("https://0x7f.1/", "https://0177.0.0.1/", "https://017700000001/", "https://0/"),
    *("https://10.0.0.1/", "https://169.254.169.254/latest/", "https://[::1]/", "https://[::]/"),
    *("https://[::ffff:127.0.0.1]/", "https://[fe80::1]/", "https://[64:ff9b::7f00:1]/"),
    *("https://[::1%25lo]/", "https://[1.1.1.1]/", "https://127.0.0.1./"),
    # what two parsers read differently
    *("https://shop.example\\@evil.example/", "https://shop.example\\evil", "https://a.b /"),
    *(" https://shop.example/", "https://shop.example/\n", "https://shop.example/\r\nHost: x"),
    *("https://shop.example/\x00", "https://shop.example/\t", "https://bücher.example/"),
    *("https://\uff45vil.example/", "https://shop.example/ü", "https://evil\u3002example/"),
    *("https://[v1.x]/", "https://shop.example]/", "https://[/", "https://a%2eb.example/"),
    "https://shop.example/" + "x" * MAX_URL_CHARACTERS,
    "https://" + "a" * 300 + ".example/",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(RejectedError) as caught:
        read_url(url, allow_private=False)
    assert (caught.value.code, caught.value.param) == ("webhook_url_invalid", "url")


def test_for_development_this_machine_will_do() -> None:
    for url in ("http://127.0.0.1:9000/hook", "http://receiver/", "https://[::1]:1/"):
        assert read_url(url, allow_private=True) == url
    for url in ("http://user@127.0.0.1/", "file:///etc/passwd", "http://a/\r\n", "http://a:65536/"):
        with pytest.raises(RejectedError):
            read_url(url, allow_private=True)
