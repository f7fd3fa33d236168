"""How messages travel, at each revision."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from tests.tour.client import LATEST, MODERN, Modern, Session
from tests.tour.page import feature, is_request, play, prepare, prepare_raw
from tests.tour.wire import Message, Wire

BATCH: list[Message] = [
    {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "longRunningOperation", "arguments": {"duration": 0.3, "steps": 1}},
    },
]


@feature(
    "A session",
    f"2025-03-26 to {LATEST}",
    "A handshake opens a session, any process of the server can serve it, and the client ends it.",
    run=prepare("session", LATEST),
)
async def session(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open(folded=False)
    await client.request("Every request carries the id of the session.", "tools/list")
    ended = await wire.send("The client ends the session.", "DELETE", "/mcp", headers=client.headers)
    await ended.empty()
    await (await client.begin("From now on, the server does not know the session.", "ping")).json()


@feature(
    "No session",
    MODERN,
    "In this revision each request stands alone. It states its revision and what its client can do.",
    run=prepare("tools/echo", MODERN, message="hello"),
)
async def no_session(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.request(
        "The server says what it offers, and for how long that may be cached.", "server/discover"
    )
    await client.call("A call needs no handshake.", "echo", {"message": "hello"})
    params = {"name": "echo", "arguments": {"message": "hello"}}
    await client.request(
        "The headers must agree with the body. Here `Mcp-Name` names another tool, so the server "
        "refuses the request.",
        "tools/call",
        params,
        name="add",
    )
    await client.request("Methods of earlier revisions no longer exist.", "ping")
    later = Modern(wire, token, revision="2099-01-01")
    await later.request("An unsupported revision gets an error that lists the supported ones.", "tools/list")


@feature(
    "Progress",
    "all",
    "A long call is answered with a stream, which reports how far it has come.",
    run=prepare("tools/longRunningOperation", LATEST, duration=5, steps=5),
)
async def progress(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request(
        "The client sends a progress token. Each progress notification repeats it, and the result "
        "comes last.",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 0.4, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )


@feature(
    "Progress with messages",
    "since 2025-03-26",
    "A progress notification can say in words what the server is doing.",
    run=prepare("tools/slow_compute", LATEST, seconds=3, label="tea"),
)
async def progress_in_words(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {
        "name": "slow_compute",
        "arguments": {"seconds": 1.5, "label": "tea"},
        "_meta": {"progressToken": "p"},
    }
    await client.request(
        "Each notification has a message for the user. For a client without tasks, this is a call "
        "as any other.",
        "tools/call",
        params,
    )


@feature(
    "Resumption",
    f"2025-03-26 to {LATEST}",
    "A stream that breaks continues where it left off, at any process, and without losing or "
    "repeating an event.",
    run=play("cut", "tools/longRunningOperation", LATEST),
)
async def resumption(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call reports its progress. Then the connection breaks.",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 1, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    await reply.leave("The connection breaks.")
    resumed = await client.listen(
        "The client reconnects and names the last event that it has seen. The server sends what "
        "came after it.",
        **{"Last-Event-ID": reply.last_event_id},
    )
    await resumed.answer()


@feature(
    "Cancellation",
    f"2025-03-26 to {LATEST}",
    "A client can cancel a call. The call stops and gets no response.",
    run=prepare("tools/longRunningOperation", LATEST, duration=60, steps=120),
)
async def cancellation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "This call would take a minute.",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 60, "steps": 120},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    params = {"requestId": 1, "reason": "The user changed their mind"}
    await client.notify("The client cancels it.", "notifications/cancelled", params)


@feature(
    "HTTP+SSE",
    "2024-11-05",
    "The transport of the first revision has a stream to listen on and an endpoint to post to.",
    run=prepare("session", "2024-11-05"),
    deprecated=("HTTP+SSE",),
)
async def http_sse(wire: Wire, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    stream = await wire.send(
        "The first event of the stream names the endpoint to post to.",
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
            "The server only acknowledges a POST. The response comes on the stream.",
            "POST",
            address,
            body=initialize,
            headers=headers,
        )
    ).empty()
    await stream.until(is_result, says="Here is the response to `initialize`.")
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await (
        await wire.send(
            "The client confirms with `notifications/initialized`.",
            "POST",
            address,
            body=initialized,
            headers=headers,
        )
    ).empty()
    echo = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call = {**echo, "params": {"name": "echo", "arguments": {"message": "hello"}}}
    await (await wire.send("The client calls a tool.", "POST", address, body=call, headers=headers)).empty()
    await stream.answer("The result comes on the stream, too.")


def is_result(message: Message) -> bool:
    return "result" in message


@feature(
    "Batches",
    "2025-03-26",
    "In this revision, and in no other, a request can hold several messages.",
    run=prepare_raw("2025-03-26", BATCH),
)
async def batches(wire: Wire, token: str) -> None:
    client = Session(wire, token, "2025-03-26")
    await client.open()
    reply = await client.post(
        "Each request of the batch is answered under its own id, the quick one first.", BATCH
    )
    for _ in BATCH:
        await reply.answer()


@feature(
    "Cancellation by closing",
    MODERN,
    "In this revision a client cancels a call by closing its stream.",
    run=prepare("tools/longRunningOperation", MODERN, duration=60, steps=120),
)
async def cancellation_by_closing(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    params = {
        "name": "longRunningOperation",
        "arguments": {"duration": 60, "steps": 120},
        "_meta": {"progressToken": "p"},
    }
    reply = await client.begin(
        "This call would take a minute. The client closes the connection, which cancels it.",
        "tools/call",
        params,
        "longRunningOperation",
    )
    await reply.until(is_request("notifications/progress"))
    await reply.leave("The client closes the connection.")
    says = "The next call is not affected."
    await client.call(says, "echo", {"message": "hello"})
