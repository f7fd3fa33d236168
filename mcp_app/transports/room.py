"""The machine room as an event stream: what all processes do for one person, or for everybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable

from mcp_app.coordination.limits import STREAMS
from mcp_app.monitoring.room import TooManyWatchers
from mcp_app.runtime import Runtime
from mcp_app.transports import framing
from mcp_app.transports.errors import HttpError
from mcp_app.transports.event_streams import close_stream_on_error, until_disconnected_or_revoked
from mcp_app.transports.request import Request, Send
from mcp_app.transports.responses import COMMON_HEADERS

_RETRY_MILLISECONDS = 2000

_LOOK_SECONDS = 1.0
"""How often it is checked whether this process is shutting down."""

_KEEP_ALIVE_SECONDS = 5.0


class RoomFeed:
    """The endpoint for one person: `GET` with a bearer token. It counts as one of their streams.

    Args:
        runtime: This process's runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, request: Request) -> None:
        if request.method != "GET":
            raise HttpError(405, "Use GET.", headers=((b"allow", b"GET"),))
        if not request.accepts("text/event-stream"):
            raise HttpError(406, "Accept must include text/event-stream.")
        person, quotas = request.principal.person_key, self._runtime.quotas
        await quotas.ensure(person, STREAMS)
        quotas.use(person, STREAMS)
        try:
            ended = until_disconnected_or_revoked(self._runtime, request, listens=True)
            await send_room(self._runtime, person, request.send, ended)
        finally:
            quotas.release(person, STREAMS)


async def send_room(runtime: Runtime, person: str | None, send: Send, until_ended: Awaitable[object]) -> None:
    """Send the stream until its viewer has left, or this process shuts down.

    Args:
        runtime: This process's runtime.
        person: Whose activity (`Principal.person_key`); None for everybody's.
        send: The ASGI send callable.
        until_ended: Returns when the viewer has left, or may see no more.

    Raises:
        HttpError: Too many watch at this process.
    """

    async def write(chunk: bytes, *, last: bool = False) -> None:
        await send({"type": "http.response.body", "body": chunk, "more_body": not last})

    ended = asyncio.ensure_future(until_ended)
    try:
        async with runtime.room.watching(person) as watcher:
            head = [*framing.STREAM_HEADERS, *COMMON_HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            async with close_stream_on_error(send):
                await write(framing.retry(_RETRY_MILLISECONDS))
                silent = 0.0
                while not (ended.done() or runtime.is_draining):
                    next_message = asyncio.ensure_future(watcher.next(_LOOK_SECONDS))
                    await asyncio.wait({next_message, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if not next_message.done():
                        next_message.cancel()
                        break
                    if (message := next_message.result()) is not None:
                        await write(f"event: room\ndata: {json.dumps(message)}\n\n".encode())
                        silent = 0.0
                    elif (silent := silent + _LOOK_SECONDS) >= _KEEP_ALIVE_SECONDS:
                        await write(framing.KEEP_ALIVE)
                        silent = 0.0
                await write(b"", last=True)
    except TooManyWatchers:
        raise HttpError(503, "Too many people are watching at this process.", reason="watchers") from None
    finally:
        ended.cancel()
