"""The client address for rate limits. Pure functions, without Django.

Anyone can send `X-Forwarded-For`. Each proxy appends the address that it was called from, so behind N trusted
proxies the last N entries can be trusted, and the first of those is the client.
"""

from __future__ import annotations

import ipaddress

UNKNOWN = "unknown"
_IPV6_CUSTOMER = 64
"""A customer gets at least a /64, and could use another address for each request."""


def client_address(remote: str, forwarded: str, proxies: int) -> str:
    """The address by which to count requests.

    Args:
        remote: Where the connection comes from; empty for a Unix socket.
        forwarded: The X-Forwarded-For header.
        proxies: How many trusted proxies a request passes.
    """
    if proxies:
        entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
        # With fewer entries than proxies, the request did not pass all of them: trust no entry.
        trusted = normalised(entries[-proxies]) if len(entries) >= proxies else None
        if trusted is not None:
            return trusted
    return normalised(remote) or UNKNOWN


def normalised(text: str) -> str | None:
    """An address without port, for IPv6 its /64 network; None if it is not an address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_CUSTOMER), strict=False))
