"""A Streamable HTTP client that can use any process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterable
from typing import Any

from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations
from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY

from mcp_app.auth.tokens import WITHDRAWN, checksum, token_place
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.runtime import Runtime
from tests.support.asgi import PATIENCE, Http, Response, application

HOST = "localhost:3232"
BOTH = "application/json, text/event-stream"
OLDER = ("2025-03-26", "2025-06-18", "2025-11-25")
LATEST = "2025-11-25"
MODERN = "2026-07-28"
EVERYTHING: dict[str, Any] = {"sampling": {}, "elicitation": {}, "roots": {}}


class Process:
    """A simulated server process: a runtime, and the application on top of it."""

    def __init__(self) -> None:
        self.runtime = Runtime()
        self.http = Http(application(self.runtime))

    async def stop(self) -> None:
        await self.http.close()
        await self.runtime.stop()

    @property
    def tasks(self) -> Tasks:
        """The tasks extension of its server."""
        [tasks] = [one for one in self.runtime.engine.extensions if isinstance(one, Tasks)]
        return tasks

    @property
    def tokens(self) -> Any:
        """The token verifier of this process."""
        return self.runtime.tokens._verifier


async def withdraw(at: Process, token: str) -> None:
    """Announce the revocation of a token, as a process does that notices it."""
    key = checksum(token)
    await at.runtime.directory.publish({"type": WITHDRAWN, "checksums": [key]}, token_place(key))


def headers_for(token: str | None = "alice", **more: str | None) -> dict[str, str]:
    """The headers of a valid request. Underscores in names stand for hyphens; None leaves a header out."""
    headers: dict[str, str | None] = {
        "host": HOST,
        "accept": BOTH,
        "content-type": "application/json",
        "authorization": None if token is None else f"Bearer {token}",
    }
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return {name: value for name, value in headers.items() if value is not None}


def request(method: str, params: Any = None, *, id: Any = 1) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": id, "method": method}
    return message if params is None else message | {"params": params}


def notification(method: str, params: Any = None) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method}
    return message if params is None else message | {"params": params}


def initialize(revision: str = LATEST, capabilities: Any = None) -> dict[str, Any]:
    return request(
        "initialize",
        {
            "protocolVersion": revision,
            "capabilities": EVERYTHING if capabilities is None else capabilities,
            "clientInfo": {"name": "test", "version": "1"},
        },
    )


def tool_call(name: str, arguments: Any = None, *, id: Any = 1, progress: Any = None) -> dict[str, Any]:
    params: dict[str, Any] = {"name": name, "arguments": arguments or {}}
    if progress is not None:
        params["_meta"] = {"progressToken": progress}
    return request("tools/call", params, id=id)


def text_of(answer: Any) -> str:
    """The text of a tool's result."""
    return answer["result"]["content"][0]["text"]


class Session:
    """One session of one client."""

    def __init__(self, id: str, token: str = "alice", revision: str = LATEST) -> None:
        self.id = id
        self.token = token
        self.revision = revision

    @classmethod
    async def open(
        cls, at: Process, token: str = "alice", revision: str = LATEST, capabilities: Any = None
    ) -> Session:
        body = json.dumps(initialize(revision, capabilities)).encode()
        response = await at.http.request("POST", headers=headers_for(token), body=body)
        assert response.status == 200, await response.body()
        answer = await response.json()
        assert answer["result"]["protocolVersion"] == revision
        session = cls(response.headers["mcp-session-id"], token, revision)
        assert (await session.post(at, notification("notifications/initialized"))).status == 202
        return session

    def headers(self, **more: str | None) -> dict[str, str]:
        own = {"mcp_session_id": self.id, "mcp_protocol_version": self.revision}
        return headers_for(self.token, **(own | more))

    async def post(self, at: Process, message: Any, **more: str | None) -> Response:
        return await at.http.request("POST", headers=self.headers(**more), body=json.dumps(message).encode())

    async def get(self, at: Process, last_event_id: str | None = None, **more: str | None) -> Response:
        headers = self.headers(**{"accept": "text/event-stream", "last_event_id": last_event_id} | more)
        return await at.http.request("GET", headers=headers)

    async def listen(self, at: Process, last_event_id: str | None = None) -> Response:
        """Open a GET stream, and return when it has sent its first bytes and holds the claim."""
        stream = await self.get(at, last_event_id)
        assert stream.status == 200, await stream.body()
        return stream

    async def delete(self, at: Process, **more: str | None) -> Response:
        return await at.http.request("DELETE", headers=self.headers(**more))

    async def call(self, at: Process, name: str, arguments: Any = None, **options: Any) -> Any:
        """Call a tool and return the whole response."""
        return await (await self.post(at, tool_call(name, arguments, **options))).answer()


async def modern(
    at: Process,
    method: str,
    params: Any = None,
    *,
    token: str | None = "alice",
    capabilities: Any = None,
    revision: str = MODERN,
    id: Any = 1,
    **more: str | None,
) -> Response:
    """One request of 2026-07-28. Keyword arguments are headers, in place of those that the body asks for."""
    params = dict(params or {})
    params["_meta"] = {
        PROTOCOL_VERSION_META_KEY: revision,
        CLIENT_CAPABILITIES_META_KEY: EVERYTHING if capabilities is None else capabilities,
        CLIENT_INFO_META_KEY: {"name": "test", "version": "1"},
        **params.get("_meta", {}),
    }
    name = params.get("name") or params.get("uri")
    headers = {"mcp_protocol_version": revision, "mcp_method": method, "mcp_name": name} | more
    body = json.dumps(request(method, params, id=id)).encode()
    return await at.http.request("POST", headers=headers_for(token, **headers), body=body)


def modern_request(message: dict[str, Any]) -> tuple[list[str], bytes]:
    """The header lines and the body of a message of 2026-07-28, for tests that write HTTP themselves."""
    params = dict(message.get("params") or {})
    params["_meta"] = {
        PROTOCOL_VERSION_META_KEY: MODERN,
        CLIENT_CAPABILITIES_META_KEY: EVERYTHING,
        **params.get("_meta", {}),
    }
    lines = [f"MCP-Protocol-Version: {MODERN}", f"Mcp-Method: {message['method']}"]
    if "name" in params:
        lines.append(f"Mcp-Name: {params['name']}")
    return lines, json.dumps(message | {"params": params}).encode()


class Held:
    """A tool that waits until the test lets it go: it says `first`, then waits, then says `second`."""

    def __init__(
        self,
        at: Process,
        name: str = "held",
        annotations: ToolAnnotations | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.ended = asyncio.Event()
        self.was_cancelled = False
        self.runs = 0

        async def held(ctx: Context, label: str = "result", quiet: bool = False) -> str:
            self.runs += 1
            try:
                if not quiet:
                    await ctx.report_progress(1, 2, "first")
                self.started.set()
                await self.go.wait()
                if not quiet:
                    await ctx.report_progress(2, 2, "second")
                return label
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
            finally:
                self.ended.set()

        at.runtime.server.add_tool(
            held, name=name, annotations=annotations, meta=meta, structured_output=False
        )


def call_held(
    label: str = "result", *, id: Any = 1, quiet: bool = False, name: str = "held"
) -> dict[str, Any]:
    return tool_call(name, {"label": label, "quiet": quiet}, id=id, progress=f"token-{id}")


def open_of(responses: Iterable[Response]) -> list[Response]:
    """Those that have not ended."""
    return [each for each in responses if each.task is not None and not each.task.done()]


async def within(awaitable: Awaitable[Any], seconds: float = PATIENCE) -> Any:
    """The result of what must not take long."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def cancel_a_call(at: Process, session: Session, *, is_modern: bool) -> None:
    """Call `Held`, and cancel it once it runs: by a notification, or at 2026-07-28 by disconnecting."""
    held = Held(at)
    if is_modern:
        stream = await modern(at, "tools/call", call_held()["params"])
        await within(held.started.wait())
        await stream.drop()
    else:
        await session.post(at, call_held())
        await within(held.started.wait())
        await session.post(at, notification("notifications/cancelled", {"requestId": 1}))
