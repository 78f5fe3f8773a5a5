"""Which addresses on the internet a partner may make us connect to: none of our own network's."""

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Python's own registry of special addresses differs between its releases, so what must never be
# reached is written out: IANA's special-purpose registries (RFC 6890), and what clouds answer
# about themselves where it is not in there.
_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network (RFC 1122)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # behind carriers' translators (RFC 6598), and Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform, also with public routes
        "169.254.0.0/16",  # link-local (RFC 3927), and nearly everybody's metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890), and Oracle's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible (RFC 4291)
        "64:ff9b:1::/48",  # translation within a network (RFC 8215)
        "100::/64",  # discarded (RFC 6666)
        "2001::/23",  # protocol assignments, and with them Teredo (RFC 4380)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056), which leads to any IPv4 address
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fc00::/7",  # unique local (RFC 4193), and Amazon's metadata
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, abandoned
        "ff00::/8",  # multicast
    )
)
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a network without IPv4 writes IPv4 addresses as (RFC 6052)."""


def is_public(text: str) -> bool:
    """Whether this is the address of somebody on the internet, and nothing of ours behind it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return _is_public(address)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _TRANSLATED:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    is_special = any(address in network for network in _NEVER if network.version == address.version)
    return address.is_global and not (is_special or address.is_multicast or address.is_reserved)
