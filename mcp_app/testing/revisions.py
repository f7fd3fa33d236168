"""Asking for older revisions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from mcp.types import JSONRPCRequest

from mcp_app.sdk import SessionMessage


@asynccontextmanager
async def asking_for(
    revision: str, transport: AbstractAsyncContextManager[tuple[Any, Any]]
) -> AsyncIterator[tuple[Any, Any]]:
    """A transport whose `initialize` requests an older revision; the SDK requests the newest."""
    async with transport as (read_stream, write_stream):
        yield read_stream, _Asking(write_stream, revision)


class _Asking:
    """A write stream that replaces the revision in `initialize`."""

    def __init__(self, stream: Any, revision: str) -> None:
        self._stream = stream
        self._revision = revision

    async def send(self, item: SessionMessage) -> None:
        message = item.message
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            params = {**(message.params or {}), "protocolVersion": self._revision}
            item = replace(item, message=message.model_copy(update={"params": params}))
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Asking:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
