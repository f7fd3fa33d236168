"""How the doctor sends requests: only to secure addresses, with limits for time and size.

The examined server says where to go next, and it may be malicious.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx2

from mcp_app.doctor.discovery import is_secure
from mcp_app.doctor.findings import Reply

SECONDS = 20.0
"""How long an answer may take, to its last byte."""
_MAX_BODY_BYTES = 2_000_000


class Unreachable(Exception):
    """There is no response; the message says why."""


def client(examined: str, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """The HTTP client of one run. It follows no redirects."""
    return httpx2.AsyncClient(
        transport=transport, timeout=SECONDS, event_hooks={"request": [_only_secure(examined)]}
    )


def _only_secure(examined: str) -> Callable[[httpx2.Request], Awaitable[None]]:
    async def check(request: httpx2.Request) -> None:
        if not is_secure(str(request.url), beside=examined):
            raise Unreachable(
                f"{request.url.copy_with(query=None)} is not an https URL, so it is not requested"
            )

    return check


async def read(
    http: httpx2.AsyncClient, method: str, url: str, *, until: int | None = None, **request: Any
) -> Reply:
    """The complete response; of an event stream, up to the response to `until`, the id of a request.

    Raises:
        Unreachable: There is none.
    """
    place = url.partition("?")[0]
    try:
        async with asyncio.timeout(SECONDS), http.stream(method, url, **request) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            reply = Reply(url, response.status_code, headers)
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BODY_BYTES:
                    break
                if until is not None and reply.is_stream:
                    so_far = replace(reply, text=body.decode(errors="replace"))
                    if so_far.has_response(until):
                        break
            return replace(reply, text=body.decode(errors="replace"))
    except TimeoutError:
        raise Unreachable(f"{place} does not finish its response within {SECONDS:g} seconds") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        says = f"{place} cannot be reached: {type(error).__name__} {error}".rstrip()
        raise Unreachable(says) from error
