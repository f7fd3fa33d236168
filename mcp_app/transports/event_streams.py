"""Sending an event stream of a session as the response to a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from enum import Enum, auto

from mcp_types import RequestId

from mcp_app.auth.tokens import Principal, TokenWithdrawn
from mcp_app.conf import conf
from mcp_app.protocol.messages import to_json
from mcp_app.runtime import Runtime
from mcp_app.sessions.event_stream import EventStream
from mcp_app.sessions.events import END, Event, event_id
from mcp_app.transports import errors, framing
from mcp_app.transports.request import Request, Send
from mcp_app.transports.responses import COMMON_HEADERS

logger = logging.getLogger(__name__)


class Ending(Enum):
    """Why a response may be ended."""

    CLIENT = auto()
    """The client has closed the connection."""
    EXPIRED = auto()
    """The token has expired, which ends standalone streams."""
    WITHDRAWN = auto()
    """The token was withdrawn, which ends all streams."""


async def until_disconnected_or_revoked(runtime: Runtime, request: Request, *, listens: bool) -> Ending:
    """Wait until the response to a request may be ended. Returns why.

    Args:
        runtime: This process's runtime.
        request: The request.
        listens: Whether it is a standalone stream, which ends when the token expires. Calls may outlive their
            token: clients refresh theirs every hour, whatever they are running.
    """
    principal = request.principal
    with runtime.tokens.in_use(principal) as withdrawn:
        gone = asyncio.ensure_future(request.until_disconnect())
        try:
            while True:
                # In case the message about the withdrawal was lost.
                if await runtime.tokens.is_withdrawn(principal):
                    return Ending.WITHDRAWN
                if listens and not principal.is_current:
                    return Ending.EXPIRED
                seconds = conf.keep_alive_seconds
                if listens:
                    seconds = min(seconds, principal.seconds_left)
                done, _ = await asyncio.wait(
                    {gone, withdrawn}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED
                )
                if withdrawn in done:
                    return Ending.WITHDRAWN
                if gone in done:
                    return Ending.CLIENT
        finally:
            gone.cancel()


@asynccontextmanager
async def close_stream_on_error(send: Send) -> AsyncIterator[None]:
    """Close the stream on an error after its response has started; it then lacks its final message.

    The error cannot be raised: Daphne would try to send a second response.
    """
    try:
        yield
    except Exception:
        logger.exception("error while streaming; closing the stream")
        with suppress(Exception):  # sending may be what failed
            await send({"type": "http.response.body", "body": b""})


async def _is_withdrawn(
    runtime: Runtime, watcher: asyncio.Task[Ending], stream: EventStream, principal: Principal
) -> bool:
    """Whether a stream has ended because the token was withdrawn.

    Sessions end with their access, and the end of this one may have been noticed first.
    """
    if watcher.done():
        return watcher.result() is Ending.WITHDRAWN
    return not stream.is_complete and await runtime.tokens.is_withdrawn(principal)


async def send_stream(
    runtime: Runtime,
    request: Request,
    stream: EventStream,
    opening: bytes,
    *,
    requests: Mapping[str, RequestId | None] | None = None,
    name_event: Callable[[Event], str] = lambda event: event.id,
) -> None:
    """Send an event stream until it is complete or closed, or `until_disconnected_or_revoked`.

    Args:
        runtime: This process's runtime.
        request: The request.
        stream: The stream.
        opening: The first bytes, sent with the response headers.
        requests: The ids of the requests it answers, by stream name; None for a standalone stream.
        name_event: Returns the SSE id of an event.

    Raises:
        TokenWithdrawn: The token was withdrawn before the response began.
    """
    principal, send = request.principal, request.send
    unanswered = dict(requests or {})
    sent = 0

    async def write(chunk: bytes, *, last: bool = False) -> None:
        nonlocal sent
        sent += len(chunk)
        if sent > conf.max_stream_bytes:
            stream.close()
        await send({"type": "http.response.body", "body": chunk, "more_body": not last})

    async with runtime.streams.opened(stream):
        if await runtime.tokens.is_withdrawn(principal):
            raise TokenWithdrawn
        watcher = asyncio.create_task(
            until_disconnected_or_revoked(runtime, request, listens=requests is None)
        )
        watcher.add_done_callback(lambda _: stream.close())
        try:
            if request.method == "GET":
                request.tell_answered(runtime.observers, "stream")
            head = [*framing.STREAM_HEADERS, *COMMON_HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            async with close_stream_on_error(send):
                await write(opening)
                async with aclosing(stream.items()) as items:
                    async for event in items:
                        await write(
                            framing.KEEP_ALIVE
                            if event is None
                            else framing.event(name_event(event), event.data)
                        )
                        if event is not None and event.final:
                            unanswered.pop(event.stream, None)
                if await _is_withdrawn(runtime, watcher, stream, principal):
                    for name, request_id in unanswered.items():
                        if request_id is not None and name in stream.names:
                            # In place of the response in the log: a client that resumes must not get both.
                            refusal = to_json(errors.token_withdrawn().body(request_id)).decode()
                            await write(framing.event(event_id(name, END), refusal))
                    await write(b"", last=True)
                else:
                    await write(
                        b"" if stream.is_complete else framing.retry(stream.retry_milliseconds), last=True
                    )
        finally:
            watcher.cancel()
