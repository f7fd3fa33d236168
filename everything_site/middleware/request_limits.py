"""The size and time of a body for Django, whatever the server: Daphne has no limit for them.

The MCP endpoints limit their bodies themselves, and `mcp_app.transports.head_limit` limits heads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from mcp_app.conf import BODY_SECONDS

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class LimitedBody:
    """The ASGI receive callable for Django: a client whose body is too long or too slow seems to disconnect.

    Attributes:
        refusal: The status and the reason that such a client is to be told.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._room = self._most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._due: float | None = asyncio.get_running_loop().time() + BODY_SECONDS
        self.refusal: tuple[int, str] | None = None

    async def __call__(self) -> MutableMapping[str, Any]:
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError:
            self.refusal = 408, "The body took too long to arrive."
            return {"type": "http.disconnect"}
        self._room -= len(message.get("body", b""))
        if self._room < 0:
            self.refusal = 413, f"The body may have {self._most} bytes here."
            return {"type": "http.disconnect"}
        if not message.get("more_body", False):
            self._due = None  # what comes next is that the client has left
        return message
