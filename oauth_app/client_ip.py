"""Who is asking? The address by which clients are counted: pure functions, which know no Django.

Anyone can write `X-Forwarded-For`. Each proxy appends the address that it was called from, so with N
proxies of ours in front the last N entries are to be trusted, and the first of those is the client's.
"""

from __future__ import annotations

import ipaddress

UNKNOWN = "unknown"
_IPV6_CUSTOMER = 64
"""One customer has at least that much of a network, and could use another address for each request."""


def client_address(remote: str, forwarded: str, proxies: int) -> str:
    """The address to count a client by.

    Args:
        remote: Where the connection comes from; empty for a Unix socket.
        forwarded: The X-Forwarded-For header.
        proxies: How many proxies of ours a request passes.
    """
    if proxies:
        entries = [entry.strip() for entry in forwarded.split(",") if entry.strip()]
        # With fewer entries than proxies the request came by another way; nobody vouches for any of them.
        vouched = normalised(entries[-proxies]) if len(entries) >= proxies else None
        if vouched is not None:
            return vouched
    return normalised(remote) or UNKNOWN


def normalised(text: str) -> str | None:
    """An address as it is counted: without a port, IPv6 by its network; None when it is none."""
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
