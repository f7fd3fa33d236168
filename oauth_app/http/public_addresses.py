"""Which addresses belong to the public internet: what may be fetched from on behalf of others.

`is_global` of the standard library depends on the version of Python, and takes some addresses for public
that lead into a private network: IPv4-compatible and site-local ones, multicast, the local prefix of NAT64.
So for IPv6, only what IANA has assigned as global unicast is public, without what contains other addresses.
Pure functions, without Django.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_IPV4_RESERVED = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
"""Special-purpose addresses (RFC 6890), multicast, and those reserved for the future."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_IPV6_RESERVED = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Protocol assignments with Teredo, documentation, and 6to4."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""Where a network without IPv4 reaches it (RFC 6052); the last 32 bits are the address there."""


def is_public(text: str) -> bool:
    """Whether it is an address of the public internet."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_ipv4(address)
    if address in _NAT64:
        return _is_public_ipv4(IPv4Address(int(address) & 0xFFFFFFFF))
    return _is_public_ipv6(address)


def _is_public_ipv4(address: IPv4Address) -> bool:
    return not any(address in network for network in _IPV4_RESERVED)


def _is_public_ipv6(address: IPv6Address) -> bool:
    return address in _GLOBAL_UNICAST and not any(address in network for network in _IPV6_RESERVED)
