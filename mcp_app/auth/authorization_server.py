"""An HTTP client for an external authorization server, with time-outs."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx2

from mcp_app.conf import conf

logger = logging.getLogger(__name__)

_CONNECTIONS = 20
_MAX_BODY_BYTES = 1_000_000


class AuthorizationServerUnavailable(Exception):
    """The authorization server cannot be reached. The token may be valid, so this is a 503, never a 401."""


class AuthorizationServer:
    """Sends requests to the authorization server, on persistent connections.

    Args:
        transport: Replaces the network in tests.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None

    async def json(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the JSON object of the response.

        Raises:
            AuthorizationServerUnavailable: It does not respond in time, or not with a JSON object.
        """
        try:
            # The client's time-out applies to each read, so a slow response could take for ever.
            async with asyncio.timeout(conf.auth_server_timeout_seconds):
                document = json.loads(await self._body(method, url, **request))
            if not isinstance(document, dict):
                raise ValueError("it does not answer with a JSON object")
        except (httpx2.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            # Do not log the URL's query or the body: they may contain a token.
            logger.error(
                "authorization server unavailable",
                extra={"url": url.partition("?")[0], "reason": _reason(error)},
            )
            raise AuthorizationServerUnavailable from error
        return document

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _body(self, method: str, url: str, **request: Any) -> bytes:
        async with self._open().stream(method, url, **request) as response:
            response.raise_for_status()
            if response.is_redirect:
                raise ValueError("it redirects")
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BODY_BYTES:
                    raise ValueError("its answer is too long")
            return body

    def _open(self) -> httpx2.AsyncClient:
        """The client, created in the event loop that uses it."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                transport=self._transport,
                timeout=conf.auth_server_timeout_seconds,
                limits=httpx2.Limits(max_connections=_CONNECTIONS),
                headers={"Accept": "application/json"},
            )
        return self._client


def _reason(error: Exception) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        if error.response.status_code == 401 and "Authorization" in error.request.headers:
            return "status 401: it refuses INTROSPECTION_CLIENT_ID and its secret"
        return f"status {error.response.status_code}"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return f"{type(error).__name__}: {error}"
