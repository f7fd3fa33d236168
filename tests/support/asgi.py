"""The MCP endpoints in this process: a small HTTP client for an ASGI application, and that application.

The client reads event streams as they arrive and can drop a connection, which httpx's ASGI transport
cannot. Every wait has a bound.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from everything_site.middleware.request_log import RequestLog
from mcp_app.routing import mcp_application
from mcp_app.runtime import Runtime

PATIENCE = 10.0
"""The time-out for everything, in seconds."""


def application(runtime: Runtime) -> Any:
    """The MCP endpoints of `everything_site.asgi`, with the test's own runtime."""
    return RequestLog(mcp_application(not_found, runtime=runtime, needs={}))


async def not_found(scope: Any, receive: Any, send: Any) -> None:
    """Replaces Django."""
    raise AssertionError(f"{scope['path']} is no path of MCP")


def from_json(text: str | bytes) -> Any:
    """Parse JSON as clients do: unlike Python's, their parsers know no `NaN` and no `Infinity`."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@dataclass(frozen=True)
class ServerSentEvent:
    """One block of an event stream: an event, or a comment that keeps the connection alive."""

    id: str | None = None
    data: str | None = None
    retry: int | None = None
    comment: str | None = None

    @classmethod
    def parse(cls, block: str) -> ServerSentEvent:
        fields: dict[str, str] = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.removeprefix(" ")
        retry = int(fields["retry"]) if "retry" in fields else None
        return cls(fields.get("id"), fields.get("data"), retry, fields.get("comment"))

    @property
    def message(self) -> Any:
        """The JSON-RPC message, if any."""
        return from_json(self.data) if self.data else None


class Response:
    """A response with a streamed body."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.started = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._unread = b""
        self._ended = False

    async def receive(self, body: list[bytes]) -> dict[str, Any]:
        if body:
            return {"type": "http.request", "body": body.pop(0), "more_body": bool(body)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert not self.started.is_set(), "a response starts once"
            self.status = message["status"]
            for name, value in message["headers"]:
                earlier = self.headers.get(key := name.decode().lower())
                self.headers[key] = value.decode() if earlier is None else f"{earlier}, {value.decode()}"
            self.started.set()
        elif not self._left.is_set():
            assert self.started.is_set(), "a response starts with its head"
            if message.get("body"):
                self._chunks.put_nowait(message["body"])
            if not message.get("more_body", False):
                self._chunks.put_nowait(None)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]

    async def body(self) -> bytes:
        """The rest of the body, to its end."""
        async with asyncio.timeout(PATIENCE):
            while await self._read_more():
                pass
        unread, self._unread = self._unread, b""
        return unread

    async def json(self) -> Any:
        return from_json(await self.body())

    async def next_block(self) -> ServerSentEvent | None:
        """The next event or comment; None at the end of the stream."""
        while b"\n\n" not in (text := self._unread.replace(b"\r\n", b"\n")):
            if not await self._read_more():
                return None
        block, _, self._unread = text.partition(b"\n\n")
        return ServerSentEvent.parse(block.decode())

    async def next_event(self) -> ServerSentEvent:
        """The next event with a message."""
        async with asyncio.timeout(PATIENCE):
            while (block := await self.next_block()) is not None:
                if block.data:
                    return block
        raise AssertionError("the stream ended before the next event")

    async def next_message(self) -> Any:
        return (await self.next_event()).message

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """The events with messages, to the end of the stream."""
        while (block := await self.next_block()) is not None:
            if block.data:
                yield block

    async def messages(self) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            return [event.message async for event in self.events()]

    async def answer(self) -> Any:
        """The last message, however it is sent: as JSON or at the end of a stream."""
        return await self.json() if self.content_type == "application/json" else (await self.messages())[-1]

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    async def drop(self) -> None:
        """Close the connection, as a client that disconnects, and wait until the server has noticed."""
        self.leave()
        assert self.task is not None
        async with asyncio.timeout(PATIENCE):
            await self.task

    async def abandon(self) -> None:
        """Cancel the request, as Daphne does if an application goes on after its client has left."""
        assert self.task is not None
        self.task.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.task])

    async def _read_more(self) -> bool:
        if self._ended:
            return False
        async with asyncio.timeout(PATIENCE):
            chunk = await self._chunks.get()
        if chunk is None:
            self._ended = True
            return False
        self._unread += chunk
        return True


class Http:
    """An HTTP client of one application."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.responses: list[Response] = []
        """All responses so far."""

    async def request(
        self,
        method: str,
        target: str = "/mcp",
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | list[bytes] = b"",
        patience: float = PATIENCE,
    ) -> Response:
        """Send a request; return when the response has started."""
        path, _, query = target.partition("?")
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 3232),
        }
        response = Response()
        self.responses.append(response)
        unread = list(body) if isinstance(body, list) else [body]
        task = asyncio.create_task(self.app(scope, lambda: response.receive(unread), response.send))
        response.task = task
        started = asyncio.create_task(response.started.wait())
        try:
            await asyncio.wait({task, started}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if task.done():
            task.result()
        assert response.started.is_set(), f"no response within {patience} s"
        return response

    async def close(self) -> None:
        """Drop every connection that is still open."""
        for response in self.responses:
            if response.task is None or not response.task.cancelled():
                with suppress(TimeoutError):
                    await response.drop()
