"""How messages travel, at each revision."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from tests.tour.client import LATEST, MODERN, Modern, Session
from tests.tour.page import feature, is_request
from tests.tour.wire import Wire


@feature(
    "A session",
    f"2025-03-26 to {LATEST}",
    "Opened by a handshake, served by any process of the server, and ended.",
)
async def session(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("Every request carries the session's id.", "tools/list")
    ended = await wire.send("The client ends the session.", "DELETE", "/mcp", headers=client.headers)
    await ended.empty()
    await (await client.begin("Then it is unknown.", "ping")).json()


@feature("No session", MODERN, "Each request says which revision it speaks and what its client can do.")
async def no_session(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.request("The server says what it offers, and for how long that is good.", "server/discover")
    await client.call("A call needs nothing before it.", "echo", {"message": "hello"})
    params = {"name": "echo", "arguments": {"message": "hello"}}
    await client.request("The headers must agree with the body.", "tools/call", params, name="add")
    await client.request("What an earlier revision had is gone.", "ping")
    later = Modern(wire, token, revision="2099-01-01")
    await later.request("To a revision that it does not speak the server answers with its own.", "tools/list")


@feature("Progress", "all", "A call that takes its time is answered with a stream.")
async def progress(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request(
        "The client gives a token, under which it hears of progress.",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 0.4, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )


@feature("Progress in words", "since 2025-03-26", "Each step may say what it is; this one takes its time.")
async def progress_in_words(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {
        "name": "slow_compute",
        "arguments": {"seconds": 1.5, "label": "tea"},
        "_meta": {"progressToken": "p"},
    }
    await client.request("To a client without tasks it is a call like any other.", "tools/call", params)


@feature("Resumption", f"2025-03-26 to {LATEST}", "A stream that broke goes on where it was, at any process.")
async def resumption(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call is under way,",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 1, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    await reply.leave()
    resumed = await client.listen(
        "and the connection breaks. The client names the last event that it has seen.",
        **{"Last-Event-ID": reply.last_event_id},
    )
    await resumed.answer()


@feature("Cancellation", f"2025-03-26 to {LATEST}", "A call that is cancelled stops, and is not answered.")
async def cancellation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call that would take a minute,",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 60, "steps": 120},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    params = {"requestId": 1, "reason": "The person changed their mind"}
    await client.notify("is not wanted any more.", "notifications/cancelled", params)


@feature(
    "HTTP+SSE",
    "2024-11-05",
    "The first revision's transport: one stream to listen, one address to post to.",
    deprecated=("HTTP+SSE",),
)
async def http_sse(wire: Wire, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    stream = await wire.send(
        "The stream says first where to post.",
        "GET",
        "/sse",
        headers={**headers, "Accept": "text/event-stream"},
    )
    address = (await stream.until(lambda message: "text" in message))["text"]
    wire.learn(parse_qs(urlsplit(address).query).popitem()[1][0], "SESSION-ID")
    initialize = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": {"name": "tour", "version": "1"},
        },
    }
    await (
        await wire.send("A post is acknowledged,", "POST", address, body=initialize, headers=headers)
    ).empty()
    await stream.answer()
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await (
        await wire.send("The rest is as ever.", "POST", address, body=initialized, headers=headers)
    ).empty()
    echo = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call = {**echo, "params": {"name": "echo", "arguments": {"message": "hello"}}}
    await (
        await wire.send(
            "A call, too, is answered on the stream.", "POST", address, body=call, headers=headers
        )
    ).empty()
    await stream.answer()


@feature("Batches", "2025-03-26", "Several messages in one request: only this revision has them.")
async def batches(wire: Wire, token: str) -> None:
    client = Session(wire, token, "2025-03-26")
    await client.open()
    call = {"name": "longRunningOperation", "arguments": {"duration": 0.3, "steps": 1}}
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call},
    ]
    reply = await client.post("Each request of the batch is answered under its own id.", batch)
    for _ in batch:
        await reply.answer()


@feature("Cancellation by closing", MODERN, "A call ends with its stream: there is no notification any more.")
async def cancellation_by_closing(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    params = {
        "name": "longRunningOperation",
        "arguments": {"duration": 60, "steps": 120},
        "_meta": {"progressToken": "p"},
    }
    reply = await client.begin(
        "A call that would take a minute.", "tools/call", params, "longRunningOperation"
    )
    await reply.until(is_request("notifications/progress"))
    await reply.leave()
    says = "The client closes the connection, and the call has ended. The next one knows nothing of it."
    await client.call(says, "echo", {"message": "hello"})
