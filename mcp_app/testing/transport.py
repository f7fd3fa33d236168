"""HTTP without a socket: the processes of a test as a transport of httpx2.

The transport of httpx2 itself, `ASGITransport`, returns a response when it has ended, which an event stream
does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import Context
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mcp_app.coordination.cancellation import cancel_and_wait
from mcp_app.database import shares_thread
from mcp_app.transports.request import Asgi

_CHUNKS = 64
"""How many parts of a body wait to be read, before the server has to wait."""

_LEAVE_SECONDS = 5.0
"""How long an endpoint may take to notice that its client has disconnected."""


class _Exchange(httpx2.AsyncByteStream):
    """One request and its response, which is also the stream of the response's body."""

    def __init__(self, app: Asgi, scope: Mapping[str, Any], body: bytes, context: Context) -> None:
        self._requests = [{"type": "http.request", "body": body, "more_body": False}]
        self._left = asyncio.Event()
        self._sending: MemoryObjectSendStream[bytes]
        self._chunks: MemoryObjectReceiveStream[bytes]
        self._sending, self._chunks = anyio.create_memory_object_stream(_CHUNKS)
        self._head: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(app, dict(scope)), context=context)

    async def _run(self, app: Asgi, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._sending.close()

    async def head(self) -> tuple[int, Any]:
        """Status and headers.

        Raises:
            httpx2.ReadError: The process has ended.
        """
        waited: set[asyncio.Future[Any]] = {self.task, self._head}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not self._head.done():
            if not self.task.cancelled() and (error := self.task.exception()) is not None:
                raise error
            raise httpx2.ReadError("the process has ended")
        return self._head.result()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        """Disconnect, and wait until the endpoint has noticed. Called by the client."""
        self._chunks.close()
        await self.cut()

    async def cut(self) -> None:
        """Cut the connection. What has been sent can still be read."""
        self._left.set()
        await asyncio.wait({self.task}, timeout=_LEAVE_SECONDS)
        if not self.task.done():
            await cancel_and_wait(self.task)

    async def _receive(self) -> dict[str, Any]:
        if self._requests:
            return self._requests.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._head.set_result((message["status"], message["headers"]))
            return
        try:
            if body := message.get("body"):
                await self._sending.send(body)
        except anyio.BrokenResourceError:
            return  # the client has disconnected
        if not message.get("more_body", False):
            self._sending.close()


class ProcessesTransport(httpx2.AsyncBaseTransport):
    """Sends each request to the next of some ASGI applications.

    Args:
        apps: The applications, one for each process.
        shares_thread: Whether their queries run in the test's thread, so that they see its transaction.
    """

    def __init__(self, apps: Sequence[Asgi], *, shares_thread: bool = False) -> None:
        self._apps = list(apps)
        self._shares_thread = shares_thread
        self._turn = 0
        self._open: dict[_Exchange, Asgi] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """
        Raises:
            httpx2.ConnectError: No process is left.
        """
        if not self._apps:
            raise httpx2.ConnectError("all processes have ended", request=request)
        app = self._apps[self._turn % len(self._apps)]
        self._turn += 1
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": request.url.scheme,
            "method": request.method,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 50000),
            "server": (request.url.host, request.url.port or 80),
        }
        context = Context()  # as in a server: nothing of the test is visible to the endpoint
        context.run(shares_thread.set, self._shares_thread)
        exchange = _Exchange(app, scope, await request.aread(), context)
        self._open[exchange] = app
        exchange.task.add_done_callback(lambda _: self._open.pop(exchange, None))
        status, headers = await exchange.head()
        return httpx2.Response(status, headers=headers, stream=exchange, request=request)

    async def remove(self, app: Asgi) -> None:
        """Send no more requests to an application, and cut its connections."""
        self._apps.remove(app)
        await asyncio.gather(*(each.cut() for each, at in list(self._open.items()) if at is app))

    async def aclose(self) -> None:
        """Cut all connections."""
        for app in list(self._apps):
            await self.remove(app)
