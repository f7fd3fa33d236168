"""`/metrics`: what Prometheus scrapes from this process.

It is for whoever has the bearer token `MCP_METRICS_TOKEN`. A server that only this computer can reach
needs no token; `came_from_here` says when that is certain.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.http.request import split_domain_port

from mcp_app.conf import conf
from mcp_app.hosts import is_loopback
from mcp_app.monitoring.metrics import Page
from mcp_app.transports.request import Headers, Receive, Scope, Send
from mcp_app.transports.responses import COMMON_HEADERS, respond

_FORWARDED = (b"forwarded", b"via", b"x-real-ip")
_FORWARDED_PREFIX = b"x-forwarded-"
"""Headers that a proxy adds. A stranger cannot take them away from what the proxy sends."""


class MetricsPage:
    """The endpoint. Its requests leave no line in the log and count nowhere, like those of probes.

    Args:
        page: What it shows.
        before: Awaited before each response: measures what is measured only then.
        public_url: The URL by which clients reach this server.
    """

    def __init__(
        self, page: Page, before: Callable[[], Awaitable[object]], public_url: str | None = None
    ) -> None:
        self._page = page
        self._before = before
        self._public_host = urlsplit(conf.resource_url if public_url is None else public_url).hostname

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await respond(send, 405, headers=[(b"allow", b"GET"), *COMMON_HEADERS])
            return
        headers = Headers(scope["headers"]).raw
        if not (_has_token(headers) or came_from_here(scope, self._public_host)):
            challenge = (b"www-authenticate", b'Bearer realm="metrics"')
            await respond(send, 401, headers=[challenge, *COMMON_HEADERS])
            return
        await self._before()
        accept = headers.get(b"accept", b"").decode("latin-1")
        # In a thread: with thousands of time series it takes longer than other requests should wait.
        content_type, text = await asyncio.to_thread(self._page.render, accept)
        await respond(send, 200, text, [(b"content-type", content_type.encode()), *COMMON_HEADERS])


def _has_token(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request has the token, compared in constant time."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    expected = conf.metrics_token.encode()
    is_same = hmac.compare_digest(token.strip(), expected)
    return bool(expected) and scheme.lower() == b"bearer" and is_same


def came_from_here(scope: Scope, public_host: str | None) -> bool:
    """Whether a request certainly came from this computer, and is not one that a proxy here passed on.

    Clients reach the server by a loopback name, its connection is from a loopback address, it has none of the
    headers that proxies add, and its Host is a loopback name. If clients reach the server by a public name,
    nothing of this suffices: a proxy on this computer may pass on the Host that a stranger sends, and add
    no header.

    Args:
        scope: The ASGI scope of the request.
        public_host: The host by which clients reach this server.
    """
    lines = scope["headers"]
    if not (is_loopback(public_host) and _is_loopback(scope.get("client"))):
        return False
    if any(name in _FORWARDED or name.startswith(_FORWARDED_PREFIX) for name, _ in lines):
        return False
    hosts = [value.decode("latin-1") for name, value in lines if name == b"host"]
    domain = split_domain_port(hosts[0])[0] if len(hosts) == 1 else ""
    return is_loopback(domain.strip("[]"))


def _is_loopback(client: Sequence[Any] | None) -> bool:
    """Whether a connection is from a loopback address. One over a Unix socket has no address: a proxy's."""
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
