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
    await (await client.begin("After that, the session is unknown.", "ping")).json()


@feature("No session", MODERN, "Each request states its revision and the capabilities of its client.")
async def no_session(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.request(
        "The server says what it offers, and for how long that may be cached.", "server/discover"
    )
    await client.call("A call needs no handshake.", "echo", {"message": "hello"})
    params = {"name": "echo", "arguments": {"message": "hello"}}
    await client.request("The headers must agree with the body.", "tools/call", params, name="add")
    await client.request("Methods of earlier revisions are gone.", "ping")
    later = Modern(wire, token, revision="2099-01-01")
    await later.request(
        "For an unsupported revision, the error lists those that the server supports.", "tools/list"
    )


@feature("Progress", "all", "A long call is answered with a stream.")
async def progress(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request(
        "The client sends a progress token, and gets progress notifications with it.",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 0.4, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )


@feature("Progress in words", "since 2025-03-26", "A progress notification may describe the current step.")
async def progress_in_words(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {
        "name": "slow_compute",
        "arguments": {"seconds": 1.5, "label": "tea"},
        "_meta": {"progressToken": "p"},
    }
    await client.request("For a client without tasks, it is a call like any other.", "tools/call", params)


@feature(
    "Resumption", f"2025-03-26 to {LATEST}", "A broken stream continues where it left off, at any process."
)
async def resumption(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call is running,",
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
        "and the connection breaks. The client reconnects with the id of the last event it has seen.",
        **{"Last-Event-ID": reply.last_event_id},
    )
    await resumed.answer()


@feature("Cancellation", f"2025-03-26 to {LATEST}", "A cancelled call stops, and gets no response.")
async def cancellation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call that would take a minute",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 60, "steps": 120},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    params = {"requestId": 1, "reason": "The user changed their mind"}
    await client.notify("is cancelled.", "notifications/cancelled", params)


@feature(
    "HTTP+SSE",
    "2024-11-05",
    "The transport of the first revision: one stream to listen on, one endpoint to post to.",
    deprecated=("HTTP+SSE",),
)
async def http_sse(wire: Wire, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    stream = await wire.send(
        "The first event on the stream says where to post.",
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
        await wire.send(
            "A POST is only acknowledged; the response comes on the stream.",
            "POST",
            address,
            body=initialize,
            headers=headers,
        )
    ).empty()
    await stream.answer()
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await (
        await wire.send("This completes the handshake.", "POST", address, body=initialized, headers=headers)
    ).empty()
    echo = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call = {**echo, "params": {"name": "echo", "arguments": {"message": "hello"}}}
    await (
        await wire.send(
            "Calls, too, are answered on the stream.", "POST", address, body=call, headers=headers
        )
    ).empty()
    await stream.answer()


@feature("Batches", "2025-03-26", "Several messages in one request, in this revision only.")
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


@feature(
    "Cancellation by closing",
    MODERN,
    "Closing its stream cancels a call; there is no notification for it any more.",
)
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
    says = "The client closes the connection, which cancels the call. The next call is not affected."
    await client.call(says, "echo", {"message": "hello"})
