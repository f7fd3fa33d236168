"""Strict-Transport-Security for the ASGI routes, where Django's SecurityMiddleware does not run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

NAME = b"strict-transport-security"


class StrictTransportSecurity:
    """ASGI middleware: adds the header to HTTPS responses that have none (RFC 6797 §7.1).

    Its value, and what counts as HTTPS, depend on the same settings as in Django.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app
        self._value = header_value()
        self._proxy = _proxy_header()

    def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        if not self._value or scope["type"] != "http" or not self._is_https(scope):
            return self._app(scope, receive, send)

        async def send_with_header(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == NAME for name, _ in headers):
                    message["headers"] = [*headers, (NAME, self._value)]
            await send(message)

        return self._app(scope, receive, send_with_header)

    def _is_https(self, scope: MutableMapping[str, Any]) -> bool:
        if self._proxy is not None:
            name, https = self._proxy
            for key, value in scope["headers"]:
                if key == name:
                    return bool(value.split(b",")[0].strip() == https)
        return bool(scope.get("scheme") == "https")


def header_value() -> bytes:
    """The value that SecurityMiddleware sets; empty if it sets none."""
    if not settings.SECURE_HSTS_SECONDS:
        return b""
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        parts.append("includeSubDomains")
    if settings.SECURE_HSTS_PRELOAD:
        parts.append("preload")
    return "; ".join(parts).encode()


def _proxy_header() -> tuple[bytes, bytes] | None:
    """The header by which a proxy says that the client used HTTPS (SECURE_PROXY_SSL_HEADER)."""
    if not settings.SECURE_PROXY_SSL_HEADER:
        return None
    name, value = settings.SECURE_PROXY_SSL_HEADER
    return name.removeprefix("HTTP_").replace("_", "-").lower().encode(), value.encode()
