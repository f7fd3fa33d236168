"""What goes over the wire, kept as text: requests and answers, with what differs from run to run masked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx2

PATIENCE = 20.0
"""Seconds that anything may take."""

BASE, QUOTED_BASE = "{BASE}", "{QUOTED_BASE}"
"""Where the pages put the address of the server that shows them."""

REQUEST_HEADERS = (
    "authorization",
    "accept",
    "content-type",
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
    "last-event-id",
)
RESPONSE_HEADERS = ("content-type", "mcp-session-id", "location", "www-authenticate", "retry-after")

MAX_ITEMS, MAX_TEXT = 3, 160
"""Of longer lists and texts the beginning is shown."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|\+00:00)")

Message = dict[str, Any]


class Reply:
    """An answer that is read bit by bit."""

    def __init__(self, wire: Wire, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._wire = wire
        self._response = response
        self._lines = response.aiter_lines()
        self.last_event_id = ""

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    async def json(self) -> Any:
        """The body, which is one document."""
        async with asyncio.timeout(PATIENCE):
            body = await self._response.aread()
        document = json.loads(body)
        self._wire.heard(self, laid_out(document))
        return document

    async def empty(self) -> None:
        """The body is nothing to look at."""
        await self._response.aread()

    async def until(self, wanted: Callable[[Message], bool], *, only: bool = False) -> Message:
        """The next message of the stream that is wanted; it and those before it are kept, or it `only`."""
        async with asyncio.timeout(PATIENCE):
            while (event := await self._next_event()) is not None:
                data = event.get("data", "")
                message = json.loads(data) if data.startswith("{") else {"text": data}
                is_wanted = bool(data) and wanted(message)
                if is_wanted or not only:
                    self._keep(event, message)
                if is_wanted:
                    return message
        raise AssertionError("the stream ended before that")

    async def answer(self) -> Any:
        """The answer to the request, however it comes."""
        if not self.is_stream:
            return await self.json()
        return await self.until(lambda message: "result" in message or "error" in message)

    async def leave(self) -> None:
        """Close the connection."""
        await self._response.aclose()

    async def _next_event(self) -> dict[str, str] | None:
        event: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(":")
                event[name] = value.removeprefix(" ")
            elif event:
                return event
        return None

    def _keep(self, event: dict[str, str], message: Message) -> None:
        if identifier := event.get("id"):
            self.last_event_id = identifier
            self._wire.learn(identifier, f"EVENT-{self._wire.count('EVENT')}")
        if "method" in message and "id" in message:
            self._wire.learn(message["id"], f"QUESTION-{self._wire.count('QUESTION')}")
        shown = message.get("text", "") if "jsonrpc" not in message else laid_out(message)
        lines = [f"{name}: {value}" for name, value in event.items() if name != "data"]
        self._wire.heard(self, "\n".join([*lines, f"data: {shown}".rstrip()]), between="\n\n")


class Wire:
    """One client's connection to a server, with everything that is said on it."""

    def __init__(self, base: str, http: httpx2.AsyncClient) -> None:
        self._http = http
        self.base = base
        self._masks = {base: BASE, quote(base, safe=""): QUOTED_BASE}
        self._counts: dict[str, int] = {}
        self._exchanges: list[dict[str, str]] = []
        self._last: Reply | None = None
        self._open: list[httpx2.Response] = []

    def learn(self, value: str, mask: str) -> None:
        """From now on show `mask` in place of `value`."""
        self._masks.setdefault(value, mask)

    def count(self, name: str) -> int:
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name]

    @contextmanager
    def page(self) -> Iterator[list[dict[str, str]]]:
        """A list that holds, in the end, the exchanges that were made meanwhile."""
        kept: list[dict[str, str]] = []
        self._exchanges, self._last = [], None
        self._counts.clear()
        yield kept
        kept += [{key: self._masked(text) for key, text in one.items()} for one in self._exchanges]

    async def send(
        self,
        says: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Make a request and keep it; what comes back is kept as it is read."""
        url = path if path.startswith("http") else self.base + path
        request = self._http.build_request(method, url, json=body, data=form, headers=headers)
        async with asyncio.timeout(PATIENCE):
            response = await self._http.send(request, stream=True)
        self._open.append(response)
        given = headers or {}
        shown = [f"{method} {url.removeprefix(self.base)} HTTP/1.1"]
        shown += [
            f"{name.title()}: {request.headers[name]}"
            for name in REQUEST_HEADERS
            if name in request.headers and (name != "accept" or any(key.lower() == name for key in given))
        ]
        if body is not None:
            shown += ["", laid_out(body)]
        if form is not None:
            shown += ["", "\n&".join(f"{name}={quote(value, safe='')}" for name, value in form.items())]
        self._exchanges.append({"says": says, "request": "\n".join(shown), "response": ""})
        self._last = reply = Reply(self, response)
        head = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        head += [
            f"{name.title()}: {reply.headers[name]}" for name in RESPONSE_HEADERS if name in reply.headers
        ]
        self.heard(reply, "\n".join(head))
        return reply

    def heard(self, reply: Reply, text: str, between: str = "\n\n") -> None:
        """Keep a part of an answer: where its request is, or apart if others were made since."""
        if reply is not self._last:
            self._exchanges.append({"says": "On the open stream:", "request": "", "response": ""})
            self._last = reply
        kept = self._exchanges[-1]
        kept["response"] += (between if kept["response"] else "") + text

    def note(self, says: str, text: str) -> None:
        """Keep a request that somebody else makes."""
        self._exchanges.append({"says": says, "request": text, "response": ""})
        self._last = None

    async def close(self) -> None:
        for response in self._open:
            await response.aclose()
        self._open.clear()

    def _masked(self, text: str) -> str:
        for value in sorted(self._masks, key=len, reverse=True):
            text = text.replace(value, self._masks[value])
        return TIME.sub("TIME", text)


def laid_out(document: Any) -> str:
    return json.dumps(shortened(document), indent=2, ensure_ascii=False)


def shortened(value: Any) -> Any:
    """The value without what would fill pages: long lists end early, and so do long texts."""
    match value:
        case dict():
            return {key: shortened(item) for key, item in value.items()}
        case list():
            kept = [shortened(item) for item in value[:MAX_ITEMS]]
            return (
                [*kept[: MAX_ITEMS - 1], "…"] if len(value) > MAX_ITEMS and _is_deep(value) else _all(value)
            )
        case str() if len(value) > MAX_TEXT:
            return TIME.sub("TIME", value)[:60] + "…"  # not half a time, which nothing would recognise
    return value


def _is_deep(items: list[Any]) -> bool:
    return any(isinstance(item, dict) for item in items)


def _all(items: list[Any]) -> list[Any]:
    return [shortened(item) for item in items]
