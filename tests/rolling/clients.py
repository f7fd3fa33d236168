"""The clients: none of them repeats a request, so each that fails is counted."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support.client import REDIRECT_URI
from tests.support.wire import INITIALIZE, JSON_OR_STREAM

ANSWER_SECONDS = 60.0
PAUSE_SECONDS = 0.3
"""The longest pause between two requests of a client: there is always some load, but processes can start."""

MODERN = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
PAGES = ("/", "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server")


class WrongAnswerError(Exception):
    """A response that is not the one to this request."""


@dataclass
class Ledger:
    """The counts of a run."""

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    sessions_lost: int = 0
    streams: int = 0
    """How often a GET stream was opened, the first time included."""
    events: int = 0

    def report(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "failures": sum(self.failures.values()),
            "sessions": self.sessions,
            "sessions lost": self.sessions_lost,
            "streams opened": self.streams,
            "notifications": self.events,
        }


class Client:
    """A client that makes one request after the other.

    Args:
        url: Where the proxy is, without a path.
        token: An access token.
        ledger: Counts.
        rng: Chooses.
    """

    def __init__(self, url: str, token: str, ledger: Ledger, rng: random.Random) -> None:
        self._url = url
        self._ledger = ledger
        self._rng = rng
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={**JSON_OR_STREAM, "Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(20, read=ANSWER_SECONDS),
        )

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Work until told to stop."""
        async with self._http:
            await self._begin()
            while not is_over():
                await self._count(self._work)
                await asyncio.sleep(self._rng.uniform(0, PAUSE_SECONDS))
            await self._end()

    async def _begin(self) -> None:
        """Before the first request."""

    async def _work(self) -> None:
        """One request."""
        raise NotImplementedError

    async def _end(self) -> None:
        """After the last one."""

    async def _count(self, request: Callable[[], Awaitable[None]]) -> None:
        self._ledger.requests += 1
        try:
            await request()
        except (httpx2.HTTPError, WrongAnswerError) as error:
            self._ledger.failures[f"{type(self).__name__}: {error!r}"[:160]] += 1

    async def _post(self, message: dict[str, Any], **headers: str) -> Any:
        """The answer to a message, from JSON or from a stream."""
        response = await self._http.post("/mcp", json=message, headers=headers)
        if response.status_code != 200:
            raise WrongAnswerError(response.status_code, response.text[:60])
        if not response.headers["content-type"].startswith("text/event-stream"):
            return response.json()
        data = [line.removeprefix("data: ") for line in response.text.splitlines() if "data: {" in line]
        if not data:
            raise WrongAnswerError("the stream ended without an answer")
        return json.loads(data[-1])

    def _call(self) -> tuple[dict[str, Any], str]:
        """A call, and how its result begins: a quick one, or one that sends progress for a while."""
        if self._rng.random() < 0.7:
            word = secrets.token_hex(4)
            return {"name": "echo", "arguments": {"message": word}}, f"Echo: {word}"
        seconds = self._rng.choice([0.1, 0.4, 1.5, 3.0])
        arguments = {"duration": seconds, "steps": 4}
        return {"name": "longRunningOperation", "arguments": arguments}, "Long running operation completed."


class SessionClient(Client):
    """A client of 2025-11-25 with one session, and a GET stream that is opened again whenever it ends."""

    async def _begin(self) -> None:
        response = await self._http.post("/mcp", json=INITIALIZE)
        self._ledger.sessions += 1
        self._http.headers |= {
            "Mcp-Session-Id": response.headers["mcp-session-id"],
            "MCP-Protocol-Version": "2025-11-25",
        }
        self._listening = asyncio.create_task(self._listen())

    async def _work(self) -> None:
        if self._rng.random() < 0.1:
            await self._call_and_expect({"name": "test_trigger_tool_change", "arguments": {}}, "")
        else:
            await self._call_and_expect(*self._call())

    async def _call_and_expect(self, call: dict[str, Any], begins: str) -> None:
        number = secrets.token_hex(4)
        call = call | {"_meta": {"progressToken": number}}
        answer = await self._post({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call})
        _expect(answer, number, begins)

    async def _listen(self) -> None:
        last: dict[str, str] = {}
        while True:
            self._ledger.streams += 1
            await self._count(lambda: self._hear(last))
            await asyncio.sleep(0.5)

    async def _hear(self, last: dict[str, str]) -> None:
        headers = {"Accept": "text/event-stream", **last}
        async with self._http.stream("GET", "/mcp", headers=headers) as stream:
            if stream.status_code != 200:
                raise WrongAnswerError(stream.status_code, "for a GET stream")
            async for line in stream.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    last["Last-Event-ID"] = value
                self._ledger.events += line.startswith("data: {")

    async def _end(self) -> None:
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening
        answer = await self._http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        self._ledger.sessions_lost += answer.status_code != 200


class StatelessClient(Client):
    """A client of 2026-07-28."""

    async def _work(self) -> None:
        call, begins = self._call()
        number = secrets.token_hex(4)
        params = call | {"_meta": {**_META, "progressToken": number}}
        answer = await self._post(
            {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params},
            **{"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": call["name"]},
        )
        _expect(answer, number, begins)


class PageClient(Client):
    """A browser, and a client that asks for the metadata."""

    async def _work(self) -> None:
        response = await self._http.get(self._rng.choice(PAGES), headers={"Accept": "*/*"})
        if response.status_code != 200:
            raise WrongAnswerError(response.status_code, str(response.url))


class RefreshingClient(Client):
    """A client that refreshes its tokens again and again: were a response lost, it would be signed out."""

    def __init__(self, *args: Any, client_id: str, refresh_token: str) -> None:
        super().__init__(*args)
        self._form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "refresh_token": refresh_token,
            "redirect_uri": REDIRECT_URI,
        }

    async def _work(self) -> None:
        response = await self._http.post("/token", data=self._form, headers={"Accept": "application/json"})
        if response.status_code != 200:
            raise WrongAnswerError(response.status_code, response.text[:60])
        self._form["refresh_token"] = response.json()["refresh_token"]


def _expect(answer: Any, number: str, begins: str) -> None:
    text = answer["result"]["content"][0]["text"] if "result" in answer else ""
    if answer.get("id") != number or not text.startswith(begins) or answer["result"].get("isError"):
        raise WrongAnswerError(str(answer)[:80])
