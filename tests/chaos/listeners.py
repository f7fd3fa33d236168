"""Clients of a chaos run that edit a note and wait to be notified of each acknowledged edit.

They reconnect as often as necessary, while the official client does so only twice.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx2

from tests.chaos.clients import ANSWER_SECONDS
from tests.chaos.ledger import Ledger
from tests.support.wire import INITIALIZE, JSON_OR_STREAM, answer_of

HEARD_SECONDS = ANSWER_SECONDS
"""After so long an update that was not heard of counts as lost."""

_RETRY_SECONDS = 0.5


class RefusedError(Exception):
    """The server did not acknowledge a request, or answered it with an error."""


class Listener:
    """One client with one session, which outlives every process that serves it."""

    def __init__(self, url: str, token: str, ledger: Ledger, rng: random.Random) -> None:
        self._url = url
        self._token = token
        self._ledger = ledger
        self._rng = rng
        self._updated = asyncio.Event()
        self._uri = ""

    async def run(self, until: Callable[[], bool]) -> None:
        """Work until told to stop; the last update is still waited for."""
        headers = {**JSON_OR_STREAM, "Authorization": f"Bearer {self._token}"}
        timeout = httpx2.Timeout(20, read=40)
        hooks = {"response": [self._ledger.audit.on_response]}
        async with httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks=hooks) as http:
            opened = await self._persist(lambda: self._open(http))
            http.headers |= {"Mcp-Session-Id": opened, "MCP-Protocol-Version": "2025-11-25"}
            self._uri = await self._persist(lambda: self._create(http))
            await self._persist(lambda: self._ask(http, "resources/subscribe", {"uri": self._uri}))
            listening = asyncio.create_task(self._listen(http))
            try:
                while not until():
                    await self._edit_and_hear(http)
                await self._persist(lambda: self._tool(http, "delete-note", noteId=self._note))
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening

    @property
    def _note(self) -> str:
        return self._uri.rpartition("/")[2]

    async def _edit_and_hear(self, http: httpx2.AsyncClient) -> None:
        text = secrets.token_hex(4)
        self._updated.clear()
        try:
            await self._tool(http, "edit-note", noteId=self._note, text=text)
        except (httpx2.HTTPError, RefusedError) as error:
            self._ledger.failed[f"edit: {error!r}"[:90]] += 1
            await asyncio.sleep(_RETRY_SECONDS)
            return
        self._ledger.edits += 1
        try:
            async with asyncio.timeout(HEARD_SECONDS):
                await self._updated.wait()
        except TimeoutError:
            self._ledger.note("lost", f"the update of {self._uri} with {text}")
        await asyncio.sleep(self._rng.uniform(0, _RETRY_SECONDS))

    async def _listen(self, http: httpx2.AsyncClient) -> None:
        last: dict[str, str] = {}
        while True:
            with suppress(httpx2.HTTPError):
                async with http.stream(
                    "GET", self._url, headers={"Accept": "text/event-stream", **last}
                ) as stream:
                    if stream.status_code in (400, 404):
                        self._ledger.note("lost", f"the stream after {last}: {stream.status_code}")
                        last = {}
                    async for line in stream.aiter_lines():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last = {"Last-Event-ID": value}
                        elif name == "data" and value and stream.is_success:
                            self._hear(json.loads(value))
            await asyncio.sleep(_RETRY_SECONDS)

    def _hear(self, message: Any) -> None:
        if message.get("method") != "notifications/resources/updated":
            return
        if message["params"]["uri"] == self._uri:
            self._updated.set()
        else:
            self._ledger.note("misdelivered", f"{message} to who follows {self._uri}")

    async def _persist(self, attempt: Callable[[], Any]) -> Any:
        """Try until it works, as the start and end of a client are not under test."""
        while True:
            try:
                return await attempt()
            except (httpx2.HTTPError, RefusedError):
                await asyncio.sleep(_RETRY_SECONDS)

    async def _open(self, http: httpx2.AsyncClient) -> str:
        response = await http.post(self._url, json=INITIALIZE)
        if "mcp-session-id" not in response.headers:
            raise RefusedError(response.status_code)
        return response.headers["mcp-session-id"]

    async def _create(self, http: httpx2.AsyncClient) -> str:
        # A name of its own: the notes of tasks are counted by their titles.
        content = await self._tool(http, "create-note", title=f"followed-{secrets.token_hex(4)}", text="new")
        return next(block["uri"] for block in content if block["type"] == "resource_link")

    async def _tool(self, http: httpx2.AsyncClient, name: str, **arguments: str) -> list[dict[str, Any]]:
        result = await self._ask(http, "tools/call", {"name": name, "arguments": arguments})
        if result.get("isError"):
            raise RefusedError(result["content"][0]["text"][:60])
        content: list[dict[str, Any]] = result["content"]
        return content

    async def _ask(self, http: httpx2.AsyncClient, method: str, params: dict[str, Any]) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": secrets.token_hex(4), "method": method, "params": params}
        response = await http.post(self._url, json=message)
        if response.status_code != 200:
            raise RefusedError(response.status_code)
        answer = answer_of(response)
        if "result" not in answer:
            raise RefusedError(str(answer.get("error"))[:60])
        result: dict[str, Any] = answer["result"]
        return result
