"""Names and addresses of hosts."""

from __future__ import annotations

import ipaddress


def is_loopback(hostname: str | None) -> bool:
    """Whether a URL's host can only be this computer (RFC 8252 §7.3)."""
    if hostname is None:
        return False
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost" or hostname.endswith(".localhost")
