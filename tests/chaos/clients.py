"""The clients of a chaos run: the official Python SDK, with every result checked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx2
import mcp.types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED, JSONRPCError, JSONRPCNotification, JSONRPCResponse

from tests.chaos.ledger import Ledger

ANSWER_SECONDS = 120.0
"""After so long without an answer a call counts as lost: a client may connect to several suspended processes,
one after the other, each of which stands still for `disasters.STOP_SECONDS`."""

EMAIL = "chaos@example.com"

Operation = Callable[["ChaosClient", Client], Awaitable[None]]


class ChaosClient:
    """One client with one session at a time. If the session cannot be continued, it opens another."""

    def __init__(self, url: str, token: str, ledger: Ledger, rng: random.Random) -> None:
        self._url = url
        self._token = token
        self._ledger = ledger
        self._rng = rng
        self._mark = ""
        self._session_id = ""
        self._answers: Counter[Any] = Counter()
        self._progress: dict[Any, list[float]] = {}
        self._resumed: set[str] = set()
        """The ids of events after which a stream was resumed."""

    async def run(self, until: Callable[[], bool]) -> None:
        """Work until told to stop."""
        while not until():
            try:
                async with self._connected() as client:
                    self._ledger.sessions += 1
                    while not until():
                        operation, _ = self._rng.choices(OPERATIONS, [weight for _, weight in OPERATIONS])[0]
                        await operation(self, client)
            except* (
                MCPError,
                httpx2.HTTPError,
                anyio.ClosedResourceError,
                anyio.BrokenResourceError,
                OSError,
            ) as group:
                # The session could not be opened, or its client gave up: a defined end, and a new beginning.
                self._ledger.failed[f"session: {_innermost(group)!r}"[:90]] += 1
                await asyncio.sleep(0.2)

    async def call(
        self, client: Client, tool: str, arguments: dict[str, Any], expected: str, **options: Any
    ) -> None:
        """Make one call and record its outcome."""
        self._ledger.calls += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result = await client.call_tool(tool, arguments, **options)
        except TimeoutError:
            self._ledger.note("lost", f"{tool} {arguments} of session {self._session_id[:8]}")
        except MCPError as error:
            self._ledger.failed[str(error)[:60]] += 1
            raise_if_closed(error)
        else:
            text = result.content[0].text if isinstance(result.content[0], types.TextContent) else ""
            if text == expected:
                self._ledger.answered += 1
            elif result.is_error:
                self._ledger.failed[text[:60]] += 1
            else:
                self._ledger.note("misdelivered", f"{tool} {arguments} brought {text!r}")

    async def echo(self, client: Client) -> None:
        message = f"{self._mark} {secrets.token_hex(4)}"
        await self.call(client, "echo", {"message": message}, f"Echo: {message}")

    async def long_operation(self, client: Client) -> None:
        duration = self._rng.choice([0.4, 1.2, 2.4])

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            """Asks for progress; what comes is looked at on the wire."""

        expected = f"Long running operation completed. Duration: {duration:g} seconds, Steps: 4."
        arguments = {"duration": duration, "steps": 4}
        await self.call(client, "longRunningOperation", arguments, expected, progress_callback=on_progress)

    async def chatter(self, client: Client) -> None:
        """A call that reports progress twenty times within 0.2 s."""

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            """Asks for progress; what comes is looked at on the wire."""

        expected = "Long running operation completed. Duration: 0.2 seconds, Steps: 20."
        arguments = {"duration": 0.2, "steps": 20}
        await self.call(client, "longRunningOperation", arguments, expected, progress_callback=on_progress)

    async def sample(self, client: Client) -> None:
        prompt = f"{self._mark} {secrets.token_hex(4)}"
        expected = f"LLM sampling result: Resource sampleLLM context: {prompt}"
        await self.call(client, "sampleLLM", {"prompt": prompt}, expected)

    async def elicit(self, client: Client) -> None:
        await self.call(client, "test_elicitation", {"message": self._mark}, self._elicited())

    async def subscribe(self, client: Client) -> None:
        uri = f"test://static/resource/{self._rng.randint(1, 100)}"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                began = time.monotonic()
                await client.subscribe_resource(uri)
                self._ledger.changes.append(time.monotonic() - began)
                await client.unsubscribe_resource(uri)
        except MCPError as error:
            raise_if_closed(error)

    def _elicited(self) -> str:
        content = json.dumps({"username": self._mark, "email": EMAIL})
        return f"User response: action=accept, content={content}"

    async def _on_sampling(
        self, context: Any, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult:
        content = params.messages[0].content
        text = content.text if isinstance(content, types.TextContent) else ""
        if self._mark not in text:
            self._ledger.note("misdelivered", f"the client of {self._mark} was asked {text!r}")
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text=text), model="chaos"
        )

    async def _on_elicitation(self, context: Any, params: Any) -> types.ElicitResult:
        if self._mark not in params.message:
            self._ledger.note("misdelivered", f"the client of {self._mark} was asked {params.message!r}")
        return types.ElicitResult(action="accept", content={"username": self._mark, "email": EMAIL})

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        self._mark = secrets.token_hex(6)
        self._ledger.audit.secrets.add(self._mark)
        self._answers.clear()
        self._progress.clear()
        async with httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=httpx2.Timeout(20, read=ANSWER_SECONDS),
            event_hooks={
                "request": [self._on_request],
                "response": [self._on_response, self._ledger.audit.on_response],
            },
        ) as http:
            transport = self._watched(streamable_http_client(self._url, http_client=http))
            async with Client(
                transport,
                mode="legacy",
                sampling_callback=self._on_sampling,
                elicitation_callback=self._on_elicitation,
            ) as client:
                yield client

    async def _on_request(self, request: httpx2.Request) -> None:
        # If a connection breaks that resumed a stream, the SDK resumes from the same event as before, and so
        # asks for those that it has got since then once more.
        if (last := request.headers.get("last-event-id")) is not None:
            if last in self._resumed:
                self._ledger.asked_again.add(self._session_id[:8])
            self._resumed.add(last)

    async def _on_response(self, response: httpx2.Response) -> None:
        self._session_id = response.headers.get("mcp-session-id", self._session_id)

    @contextlib.asynccontextmanager
    async def _watched(self, transport: Any) -> AsyncIterator[Any]:
        """The transport, checking that each response arrives once and belongs to a request."""
        async with transport as (incoming, outgoing):
            seen_send, seen_receive = anyio.create_memory_object_stream[SessionMessage | Exception](100)

            async def watch() -> None:
                # The client may stop reading before the transport has ended.
                with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    async with seen_send:
                        async for message in incoming:
                            self._look_at(message)
                            await seen_send.send(message)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                yield seen_receive, outgoing
                tasks.cancel_scope.cancel()
                seen_receive.close()

    def _look_at(self, message: SessionMessage | Exception) -> None:
        if isinstance(message, SessionMessage):
            self._ledger.audit.on_message(self._session_id, message.message)
            match message.message:
                case JSONRPCResponse(id=number) | JSONRPCError(id=number):
                    self._answers[number] += 1
                    if self._answers[number] > 1:
                        self._ledger.note("duplicated", f"answer to {number!r}")
                case JSONRPCNotification(
                    method="notifications/progress", params={"progressToken": token, **rest}
                ):
                    progress = self._progress.setdefault(token, [])
                    progress.append(float(str(rest["progress"])))
                    if progress != sorted(set(progress)):
                        self._ledger.repeated[self._session_id[:8], str(token)] = progress


def raise_if_closed(error: MCPError) -> None:
    """Raise an error which says that the client has given up: all further calls would fail at once."""
    if error.code == CONNECTION_CLOSED:
        raise error


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


OPERATIONS: list[tuple[Operation, int]] = [
    (ChaosClient.echo, 6),
    (ChaosClient.long_operation, 3),
    (ChaosClient.chatter, 2),
    (ChaosClient.sample, 3),
    (ChaosClient.elicit, 2),
    (ChaosClient.subscribe, 1),
]
