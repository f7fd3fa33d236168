"""The floods, each with the bounds that it is held to."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from mcp_app.extensions.tasks.declaration import IDENTIFIER
from tests.abuse.floods.attacker import Attacker, Connection, call, stateless
from tests.abuse.inputs import BODY, forms
from tests.support.wire import ECHO, INITIALIZE

HELD_MIB = 32
"""MCP_MAX_HELD_BYTES, so low that a flood of a second reaches it."""

STORED_MIB = 3 * HELD_MIB
"""What Redis may need for that, with what is on its way: calls that were admitted, and buffers of replies."""

LONG = "a" * (BODY - 2_000)
STREAM = "Accept: text/event-stream"
STEPS = {"duration": 0, "steps": 1000}
MINUTE = {"duration": 60, "steps": 1}
TASKS: dict[str, Any] = {
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {IDENTIFIER: {}}}
}
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Flood:
    """One flood.

    Args:
        name: What it does.
        run: Does it, until it is cancelled.
        process_mib: How much more memory a process may hold during it.
        redis_mib: How much more memory Redis may hold during it.
        is_by_stranger: Whether nobody needs a token for it.
    """

    name: str
    run: Callable[[Attacker], Awaitable[None]]
    process_mib: int = 96
    redis_mib: int = 8
    is_by_stranger: bool = False


async def large_initialize(me: Attacker) -> None:
    params = {**INITIALIZE["params"], "capabilities": {"experimental": {"a": {"b": LONG}}}}
    body = json.dumps({**INITIALIZE, "params": params}).encode()
    await me.repeat(4, lambda connection: connection.post(body))


async def many_initialize(me: Attacker) -> None:
    await me.repeat(8, lambda connection: connection.post(INITIALIZE))


async def long_progress(me: Attacker) -> None:
    message = call(
        "longRunningOperation", {"duration": 0, "steps": 1000}, _meta={"progressToken": "a" * 100_000}
    )
    await _in_sessions(me, 4, json.dumps(message).encode())


async def many_steps(me: Attacker) -> None:
    message = call("longRunningOperation", STEPS, _meta={"progressToken": "a" * 200})
    await _in_sessions(me, 4, json.dumps(message).encode())


async def long_cancellations(me: Attacker) -> None:
    params = {"requestId": LONG}
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
    await _in_sessions(me, 4, json.dumps(message).encode())


async def _in_sessions(me: Attacker, number: int, body: bytes) -> None:
    """Send a message again and again, in so many sessions at once."""

    async def one(connection: Connection, _: int) -> None:
        session = await me.session(connection)
        while True:
            await connection.post(body, *session)

    await me.at_once(number, one)


async def long_calls(me: Attacker) -> None:
    sessions = [await me.session(me.connection(number)) for number in range(4)]

    async def one(connection: Connection, number: int) -> None:
        message = call("longRunningOperation", MINUTE, number)
        await connection.post(message, *sessions[number % 4], hold=True)

    await me.at_once(400, one)


async def long_stateless_calls(me: Attacker) -> None:
    message, lines = stateless(call("longRunningOperation", MINUTE))

    async def one(connection: Connection, _: int) -> None:
        await connection.post(message, *lines, hold=True)

    await me.at_once(400, one)


async def quick_calls(me: Attacker) -> None:
    await _in_sessions(me, 24, json.dumps(ECHO).encode())


async def quick_stateless_calls(me: Attacker) -> None:
    body, lines = stateless(ECHO)
    message = json.dumps(body).encode()
    await me.repeat(24, lambda connection: connection.post(message, *lines))


async def get_streams(me: Attacker) -> None:
    async def one(connection: Connection, _: int) -> None:
        if session := await me.session(connection):
            await connection.get("/mcp", STREAM, *session, hold=True)

    await me.at_once(300, one)


async def listen_streams(me: Attacker) -> None:
    params = {
        "notifications": {
            "toolsListChanged": True,
            "resourceSubscriptions": [f"note://{n}/{LONG[:200]}" for n in range(900)],
        }
    }
    body, more = stateless({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params})
    message = json.dumps(body).encode()
    lines = ["Content-Type: application/json", "Accept: application/json, text/event-stream", *more]

    async def one(connection: Connection, _: int) -> None:
        await connection.exchange(me.head("POST", "/mcp", *lines, length=len(message)) + message, hold=True)

    await me.at_once(300, one)


async def dropped_sse(me: Attacker) -> None:
    message = call("echo", {"message": "a" * 100_000})

    async def one(connection: Connection, number: int) -> None:
        posting = me.connection(number)
        while True:
            answer = await connection.get("/sse", STREAM, hold=True)
            target = answer.body.decode().removeprefix("data: ").strip()
            connection.close()
            if answer.status == 200:
                await posting.post(INITIALIZE, target=target)
                for _ in range(10):
                    await posting.post(message, target=target)

    await me.at_once(8, one)


async def subscriptions(me: Attacker) -> None:
    async def one(connection: Connection, _: int) -> None:
        while True:
            session = await me.session(connection)
            for number in range(1000):
                params = {"uri": f"test://static/resource/{number % 100 + 1}"}
                message = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": params}
                await connection.post(message, *session)

    await me.at_once(8, one)


async def replays(me: Attacker) -> None:
    """Streams that begin with 3.9 MB of the log: a question that nobody answers."""
    session = await me.session(me.connection(), sampling={})
    asked = await me.connection().post(call("sampleLLM", {"prompt": LONG}), *session, hold=True)
    last = f"Last-Event-ID: {asked.headers.get('first-event-id', '')}"

    async def again(connection: Connection) -> None:
        await connection.get("/mcp", STREAM, *session, last, hold=True)
        connection.close()

    await me.repeat(10, again)


async def session_data(me: Attacker) -> None:
    data = base64.b64encode(os.urandom(1024 * 1024 - 100)).decode()

    async def one(connection: Connection, _: int) -> None:
        while True:
            session = await me.session(connection)
            for number in range(20):
                arguments = {"data": f"data:;base64,{data}", "name": f"f{number}"}
                await connection.post(call("gzip-file-as-resource", arguments), *session)

    await me.at_once(3, one)


async def questions(me: Attacker) -> None:
    """Calls that store a large request to the client, which never answers."""
    message = json.dumps(call("sampleLLM", {"prompt": LONG})).encode()

    async def one(connection: Connection, number: int) -> None:
        while True:
            if session := await me.session(connection, sampling={}):
                await connection.post(message, *session, hold=True)
            connection.close()

    await me.at_once(4, one)


async def answers(me: Attacker) -> None:
    """Large answers to a question that a form asks."""

    async def one(connection: Connection, number: int) -> None:
        asking = me.connection(number)
        while True:
            session = await me.session(connection, elicitation={})
            asked = await asking.post(call("elicitInputs", {}), *session, hold=True)
            asking.close()
            if asked.body.startswith(b"data: {"):
                question = json.loads(asked.body.removeprefix(b"data: "))["id"]
                result = {"action": "accept", "content": {"name": LONG}}
                await connection.post({"jsonrpc": "2.0", "id": question, "result": result}, *session)

    await me.at_once(4, one)


async def tasks(me: Attacker) -> None:
    body, lines = stateless(call("slow_compute", {"seconds": 60, "label": "a" * 200}), **TASKS)
    message = json.dumps(body).encode()
    await me.repeat(8, lambda connection: connection.post(message, *lines))


async def batches(me: Attacker) -> None:
    body = json.dumps([{**ECHO, "id": number} for number in range(50)]).encode()

    async def one(connection: Connection, _: int) -> None:
        session = await me.session(connection, "2025-03-26")
        while True:
            await connection.post(body, *session)

    await me.at_once(8, one)


async def notes(me: Attacker) -> None:
    message = json.dumps(call("create-note", {"title": "a", "text": LONG})).encode()
    await _in_sessions(me, 4, message)


async def large_echoes(me: Attacker) -> None:
    message = json.dumps(call("echo", {"message": LONG})).encode()
    await _in_sessions(me, 4, message)


async def bodies_without_end(me: Attacker) -> None:
    """POSTs of which nearly everything arrives."""
    lines = ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
    request = me.head("POST", "/mcp", *lines, length=BODY) + b" " * (BODY - 100)

    async def one(connection: Connection, _: int) -> None:
        await connection.exchange(request)

    await me.at_once(60, one)


async def too_many_values(me: Attacker) -> None:
    body = b"[" + b'"",' * (BODY // 3 - 2) + b"0]"
    await me.repeat(4, lambda connection: connection.post(body))


async def made_up_tokens(me: Attacker) -> None:
    async def one(connection: Connection, number: int) -> None:
        while True:
            await connection.post(ECHO, f"Authorization: Bearer {os.urandom(20).hex()}")

    await me.at_once(24, one)


async def registrations(me: Attacker) -> None:
    document = {"redirect_uris": ["http://127.0.0.1:1/a"], "client_name": "a" * 30_000}
    await me.repeat(16, lambda connection: connection.post(document, target="/register"))


async def token_requests(me: Attacker) -> None:
    fields = {"grant_type": "authorization_code", "client_id": "a", "code": "b", "code_verifier": "c" * 43}
    body = urlencode(fields).encode()
    await me.repeat(16, lambda connection: connection.post(body, target="/token", kind=FORM))


async def authorization_requests(me: Attacker) -> None:
    query = urlencode({"client_id": "a", "response_type": "code", "redirect_uri": "https://a/b" + "c" * 9000})
    await me.repeat(16, lambda connection: connection.get(f"/authorize?{query}"))


async def pages(me: Attacker) -> None:
    await me.repeat(16, lambda connection: connection.get("/"))


async def large_forms(me: Attacker) -> None:
    body = b"a=" + b"%" * (127 * 1024)
    cookie = f"Cookie: everything-{me.site.ports[0]}-csrf={forms.CSRF_TOKEN}"
    await me.repeat(4, lambda connection: connection.post(body, cookie, target="/admin/login/", kind=FORM))


async def idle_connections(me: Attacker) -> None:
    async def one(connection: Connection, _: int) -> None:
        await connection.exchange(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-")

    await me.at_once(400, one)


FLOODS = (
    Flood("initialize with 3.9 MB of capabilities", large_initialize),
    Flood("initialize", many_initialize),
    Flood("progress tokens of 100 KB, 1,000 steps", long_progress),
    Flood("progress of 1,000 steps", many_steps, redis_mib=STORED_MIB),
    Flood("cancellations with ids of 3.9 MB", long_cancellations),
    Flood("400 calls of a minute, in 4 sessions", long_calls),
    Flood("400 calls of a minute, 2026-07-28", long_stateless_calls),
    Flood("quick calls", quick_calls),
    Flood("quick calls, 2026-07-28", quick_stateless_calls),
    Flood("300 sessions with a GET stream", get_streams),
    Flood("300 listen streams of 900 URIs", listen_streams),
    Flood("/sse sessions that are used and dropped", dropped_sse, redis_mib=STORED_MIB),
    Flood("subscriptions", subscriptions),
    Flood("ten replays of 3.9 MB at once", replays, process_mib=160, redis_mib=STORED_MIB),
    Flood("files of 1 MB in sessions", session_data, redis_mib=STORED_MIB),
    Flood("questions of 3.9 MB that nobody answers", questions, process_mib=160, redis_mib=STORED_MIB),
    Flood("answers of 3.9 MB to a form", answers, process_mib=160, redis_mib=STORED_MIB),
    Flood("tasks of a minute", tasks, redis_mib=16),
    Flood("batches of 50 calls", batches),
    Flood("notes of 3.9 MB", notes, process_mib=160),
    Flood("echoes of 3.9 MB", large_echoes, process_mib=160),
    # A server that lets the writer wait may have all of them in one process.
    Flood("60 bodies of 4 MB that do not end", bodies_without_end, process_mib=60 * 4 + 20),
    Flood("JSON of a million values", too_many_values, process_mib=160),
    Flood("made-up tokens", made_up_tokens, is_by_stranger=True),
    Flood("/register", registrations, is_by_stranger=True),
    Flood("/token", token_requests, is_by_stranger=True),
    Flood("/authorize", authorization_requests, is_by_stranger=True),
    Flood("the landing page", pages, is_by_stranger=True),
    Flood("forms of 128 KiB", large_forms, process_mib=160, is_by_stranger=True),
    Flood("400 heads that do not end", idle_connections, is_by_stranger=True),
)
