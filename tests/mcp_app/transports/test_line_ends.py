"""Event streams have one line per field, whatever a reader considers a line end."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp.shared.subscriptions import ResourceUpdated

from mcp_app.protocol.messages import to_json
from mcp_app.sessions.events import PENDING
from mcp_app.transports import framing
from tests.mcp_app.transports.support import (
    Process,
    Session,
    headers_for,
    initialize,
    modern,
    notification,
    tool_call,
)
from tests.support.asgi import PATIENCE, Response

_ALL_CHARACTERS = "".join(map(chr, range(sys.maxunicode + 1)))
LINE_ENDS = "".join(
    line[-1] for line in _ALL_CHARACTERS.splitlines(keepends=True)[:-1] if line[-1] not in "\r\n"
)
"""Whatever Python's `splitlines` ends a line at; no other reader that we know of knows more."""

TEXT = f"é{LINE_ENDS}中\r\n\U0001f600"


async def _lines(stream: Response, count: int) -> list[Any]:
    """The next messages of a stream, read as a client does that splits lines by `splitlines`."""
    text = ""
    messages: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while len(messages) < count:
            block = await stream.next_block()
            assert block is not None, "the stream ended early"
            if block.data:
                messages.append(json.loads(block.data))
                text += block.data
    assert not set(text) & set(LINE_ENDS)
    return messages


@pytest.fixture
def says(one: Process) -> str:
    """A tool that sends its argument as progress and returns it."""

    async def says(ctx: Context, text: str) -> str:
        await ctx.report_progress(1, 2, text)
        return text

    one.runtime.server.add_tool(says, structured_output=False)
    return "says"


def test_what_json_escapes_by_itself_and_what_it_does_not_is_all_of_it() -> None:
    data = to_json(LINE_ENDS).decode()
    assert len(framing.on_one_line(data).splitlines()) == 1
    assert json.loads(framing.on_one_line(data)) == LINE_ENDS


@pytest.mark.parametrize("text", ["plain", "Größe 中文 \U0001f600", "\ufeff\u200b\u00a0"])
def test_other_text_is_written_as_it_is(text: str) -> None:
    data = to_json(text).decode()
    assert framing.on_one_line(data) == data


async def test_messages_on_a_reply_stream_of_a_session_contain_no_line_ends(
    one: Process, session: Session, says: str
) -> None:
    stream = await session.post(one, tool_call(says, {"text": TEXT}, progress=TEXT, id=TEXT))
    progress, answer = await _lines(stream, 2)
    assert progress["params"] == {"progressToken": TEXT, "progress": 1, "total": 2, "message": TEXT}
    assert answer["id"] == answer["result"]["content"][0]["text"] == TEXT


async def test_messages_of_a_batch_contain_no_line_ends(one: Process) -> None:
    session = await Session.open(one, revision="2025-03-26")
    stream = await session.post(one, [tool_call("echo", {"message": TEXT})])
    (answer,) = await _lines(stream, 1)
    assert answer["result"]["content"][0]["text"] == f"Echo: {TEXT}"


async def test_messages_on_a_get_stream_contain_no_line_ends(one: Process, session: Session) -> None:
    stream = await session.listen(one)
    await one.runtime.log.append(session.id, PENDING, notification("notifications/x", {"text": TEXT}))
    (message,) = await _lines(stream, 1)
    assert message["params"]["text"] == TEXT


async def test_messages_over_http_sse_contain_no_line_ends(one: Process) -> None:
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    opening = await stream.next_block()
    assert opening is not None
    assert opening.data is not None
    for message in (initialize("2024-11-05"), tool_call("echo", {"message": TEXT}, id=TEXT)):
        body = json.dumps(message).encode()
        assert (await one.http.request("POST", opening.data, headers=headers_for(), body=body)).status == 202
    _, answer = await _lines(stream, 2)
    assert answer["id"] == TEXT
    assert answer["result"]["content"][0]["text"] == f"Echo: {TEXT}"


async def test_messages_on_a_stream_of_2026_contain_no_line_ends(one: Process, says: str) -> None:
    params = {"name": says, "arguments": {"text": TEXT}, "_meta": {"progressToken": TEXT}}
    stream = await modern(one, "tools/call", params, id=TEXT)
    progress, answer = await _lines(stream, 2)
    assert progress["params"]["message"] == progress["params"]["progressToken"] == TEXT
    assert answer["id"] == answer["result"]["content"][0]["text"] == TEXT


async def test_messages_on_a_listen_stream_contain_no_line_ends(one: Process) -> None:
    uri = f"test://template/{TEXT}/data"
    stream = await modern(
        one, "subscriptions/listen", {"notifications": {"resourceSubscriptions": [uri]}}, id=TEXT
    )
    (acknowledged,) = await _lines(stream, 1)
    assert acknowledged["params"]["notifications"]["resourceSubscriptions"] == [uri]
    await one.runtime.subscription_bus.publish(ResourceUpdated(uri))
    (changed,) = await _lines(stream, 1)
    assert changed["params"]["uri"] == uri


async def test_the_endpoint_of_http_sse_is_a_url_even_below_an_odd_path(
    one: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = one.http.app

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        root = f"/a b{LINE_ENDS}"
        await application({**scope, "root_path": root, "path": root + scope["path"]}, receive, send)

    monkeypatch.setattr(one.http, "app", mounted)
    stream = await one.http.request("GET", "/sse", headers=headers_for(accept="text/event-stream"))
    opening = await stream.next_block()
    assert opening is not None
    assert opening.data is not None
    assert opening.data.isascii()
    assert opening.data.startswith("/a%20b")
    assert "/message?sessionId=" in opening.data


async def test_plain_json_carries_the_same_text(one: Process, session: Session) -> None:
    answer = await session.call(one, "echo", {"message": TEXT})
    assert answer["result"]["content"][0]["text"] == f"Echo: {TEXT}"
