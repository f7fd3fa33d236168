"""What goes over the wire, as a recording of version 1, with what differs from run to run masked.

The format is that of the workbench: everything_site/workbench/static/workbench/wire/recording.js.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
SPELLING = {
    "mcp-protocol-version": "MCP-Protocol-Version",
    "www-authenticate": "WWW-Authenticate",
    "last-event-id": "Last-Event-ID",
}

SIGN_IN = re.compile(r"/(authorize|token|register|revoke|\.well-known/oauth-authorization-server)\b")

MAX_ITEMS, MAX_TEXT = 3, 160
"""Of longer lists and texts the beginning is kept. Pictures, sounds and pages of apps are kept whole."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|\+00:00)")

Message = dict[str, Any]


class Reply:
    """A response that is read bit by bit."""

    def __init__(self, wire: Wire, response: httpx2.Response, exchange: Message) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.exchange = exchange
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
        self.exchange["response"]["body"] = document
        self._end()
        return document

    async def empty(self) -> None:
        """Read a body that is not worth showing."""
        await self._response.aread()
        self._end()

    async def until(
        self, wanted: Callable[[Message], bool], *, says: str = "", only: bool = False
    ) -> Message:
        """The next message of the stream that is wanted.

        Args:
            wanted: Whether a message is the one.
            says: What the page says of it, if other requests were made since the stream was opened.
            only: Whether messages before it are left out.
        """
        async with asyncio.timeout(PATIENCE):
            while (event := await self._next_event()) is not None:
                data = event.get("data", "")
                message = json.loads(data) if data.startswith("{") else {"text": data}
                is_wanted = bool(data) and wanted(message)
                if is_wanted or not only:
                    self._keep(event, message, says)
                if is_wanted:
                    return message
        raise AssertionError("the stream ended before that")

    async def answer(self, says: str = "") -> Any:
        """The response to the request, however it comes."""
        if not self.is_stream:
            return await self.json()
        message = await self.until(lambda message: "result" in message or "error" in message, says=says)
        self._end()
        return message

    async def leave(self, reason: str) -> None:
        """Close the connection in mid-stream."""
        await self._response.aclose()
        self.exchange["marks"].append({"at": self._wire.elapsed(), "kind": "cut", "text": reason})
        self.exchange["cut"] = True
        self._end()

    def _end(self) -> None:
        self.exchange["endedAt"] = self._wire.elapsed()

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

    def _keep(self, event: dict[str, str], message: Message, says: str) -> None:
        if identifier := event.get("id"):
            self.last_event_id = identifier
            self._wire.learn(identifier, f"EVENT-{self._wire.count('EVENT')}")
        if "method" in message and "id" in message:
            self._wire.learn(message["id"], f"QUESTION-{self._wire.count('QUESTION')}")
        events = self.exchange["response"]["events"]
        kept: Message = {"at": self._wire.elapsed(), **event}
        if "data" in event:
            kept["data"] = message.get("text", "") if "jsonrpc" not in message else message
        if "retry" in kept:
            kept["retry"] = int(kept["retry"])
        self._wire.heard(self.exchange, len(events), says)
        events.append(kept)


class Wire:
    """One client's connection to a server, with everything that is said on it."""

    def __init__(self, base: str, http: httpx2.AsyncClient) -> None:
        self._http = http
        self.base = base
        self._masks = {base: BASE, quote(base, safe=""): QUOTED_BASE}
        self._counts: dict[str, int] = {}
        self._exchanges: list[Message] = []
        self._steps: list[Message] = []
        self._handshake = False
        self._started = 0.0
        self._open: list[httpx2.Response] = []

    def learn(self, value: str, mask: str) -> None:
        """From now on show `mask` in place of `value`."""
        self._masks.setdefault(value, mask)

    def count(self, name: str) -> int:
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name]

    def elapsed(self) -> float:
        """Seconds since the page was begun."""
        return round(time.monotonic() - self._started, 3)

    @contextmanager
    def page(self) -> Iterator[Message]:
        """What holds, in the end, the `steps` and the `exchanges` that were made meanwhile."""
        kept: Message = {}
        self._exchanges, self._steps = [], []
        self._counts.clear()
        self._started = time.monotonic()
        yield kept
        for exchange in self._exchanges:
            if exchange["endedAt"] is None:
                exchange["endedAt"] = self.elapsed()
        kept["steps"] = self._steps
        kept["exchanges"] = [self._finished(exchange) for exchange in self._exchanges]

    @contextmanager
    def handshake(self) -> Iterator[None]:
        """Requests that the page folds into one line."""
        self._handshake = True
        yield
        self._handshake = False

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
        given = {name.lower() for name in headers or {}}
        sent = [
            [SPELLING.get(name, name.title()), request.headers[name]]
            for name in REQUEST_HEADERS
            if name in request.headers and (name != "accept" or name in given)
        ]
        content = body
        if form is not None:
            content = "&".join(f"{name}={quote(value, safe='')}" for name, value in form.items())
        target = url.removeprefix(self.base)
        exchange = self._begin(
            says,
            {"method": method, "path": target, "headers": sent, "body": content},
            to="authorization server" if SIGN_IN.match(target) else "server",
        )
        async with asyncio.timeout(PATIENCE):
            response = await self._http.send(request, stream=True)
        self._open.append(response)
        exchange["response"] = {
            "at": self.elapsed(),
            "status": response.status_code,
            "headers": [
                [SPELLING.get(name, name.title()), response.headers[name]]
                for name in RESPONSE_HEADERS
                if name in response.headers
            ],
            "body": None,
            "events": [],
        }
        return Reply(self, response, exchange)

    def heard(self, exchange: Message, index: int, says: str) -> None:
        """An event arrived. With a text, or if its stream is not that of the last step, it is a new step."""
        last = self._steps[-1]
        if last["exchange"] != exchange["id"] or (says and last["says"] != says):
            says = says or "This arrives on the stream that is still open."
            last = {"says": says, "exchange": exchange["id"], "event": index}
            self._steps.append(last)
        if "event" in last:
            last["last"] = index

    def note(self, says: str, method: str, path: str, host: str) -> None:
        """Keep a request that a browser makes to the client."""
        request = {"method": method, "path": path, "headers": [["Host", host]], "body": None}
        exchange = self._begin(says, request, sender="person", to="client")
        exchange["endedAt"] = exchange["at"]

    async def close(self) -> None:
        for response in self._open:
            await response.aclose()
        self._open.clear()

    def _begin(self, says: str, request: Message, *, to: str, sender: str = "client") -> Message:
        exchange: Message = {
            "id": len(self._exchanges) + 1,
            "from": sender,
            "to": to,
            "at": self.elapsed(),
            "request": request,
            "response": None,
            "marks": [],
            "endedAt": None,
            "cut": False,
        }
        self._exchanges.append(exchange)
        step: Message = {"says": says, "exchange": exchange["id"]}
        if self._handshake:
            step["handshake"] = True
        self._steps.append(step)
        return exchange

    def _finished(self, exchange: Message) -> Message:
        """The exchange without what differs from run to run, its bodies as text."""
        made = self._masked(exchange)
        for part in (made["request"], made["response"] or {}, *(made["response"] or {}).get("events", ())):
            for key in ("body", "data"):
                if part.get(key) is not None and not isinstance(part[key], str):
                    part[key] = json.dumps(part[key], ensure_ascii=False, separators=(",", ":"))
        return made

    def _masked(self, value: Any) -> Any:
        match value:
            case dict():
                return shortened({key: self._masked(item) for key, item in value.items()})
            case list():
                return [self._masked(item) for item in value]
            case str():
                return self._masked_text(value)
            case int() if str(value) in self._masks:
                return self._masks[str(value)]
        return value

    def _masked_text(self, text: str) -> str:
        for value in sorted(self._masks, key=len, reverse=True):
            text = text.replace(value, self._masks[value])
        return TIME.sub("TIME", text)


def shortened(document: Message) -> Message:
    """An object without what would fill pages: long lists end early, and so do long texts."""
    is_whole = "mimeType" in document and str(document.get("uri", "")).startswith(("ui://", "{BASE}"))
    kept: Message = {}
    for key, value in document.items():
        match value:
            case list() if len(value) > MAX_ITEMS and any(isinstance(item, dict) for item in value):
                kept[key] = [*value[: MAX_ITEMS - 1], "…"] if key not in WHOLE_LISTS else value
            case str() if len(value) > MAX_TEXT and key not in MEDIA and not is_whole:
                kept[key] = value[:60] + "…"
            case _:
                kept[key] = value
    return kept


MEDIA = {"data", "blob", "body", "path"}
WHOLE_LISTS = {"events", "content", "contents", "messages"}
