"""Messages of one call reach only that call, however many use the same ids and tokens concurrently."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.mcp_app.transports.support import Held, Process, Session, call_held, modern, text_of, within
from tests.support.asgi import Response


async def everything(stream: Response) -> tuple[list[str], Any]:
    """The progress messages on a stream, and the answer that ends it."""
    *heard, answer = await stream.messages()
    assert all(message["method"] == "notifications/progress" for message in heard)
    return [message["params"]["message"] for message in heard], answer


@pytest.mark.parametrize("clients", [2, 12])
async def test_sessions_with_the_same_request_ids_and_progress_tokens_get_only_messages_of_their_own_calls(
    one: Process, other: Process, clients: int
) -> None:
    held = [Held(process) for process in (one, other)]
    sessions = [await Session.open(one) for _ in range(clients)]
    streams = await within(
        asyncio.gather(
            *(
                session.post((one, other)[number % 2], call_held(f"client-{number}", id=1))
                for number, session in enumerate(sessions)
            )
        )
    )
    for tool in held:
        tool.go.set()
    for number, stream in enumerate(streams):
        heard, answer = await within(everything(stream))
        assert heard == ["first", "second"]
        assert answer["id"] == 1
        assert text_of(answer) == f"client-{number}"


async def test_calls_of_one_id_in_one_session_are_each_answered_at_their_own_process(
    one: Process, other: Process, session: Session
) -> None:
    """Ids must not be reused; a client that does so anyway gets each response on the stream of its call."""
    held = [Held(process) for process in (one, other)]
    places = (one, other, one)
    streams = await within(
        asyncio.gather(
            *(session.post(at, call_held(f"call-{number}", id=7)) for number, at in enumerate(places))
        )
    )
    for tool in held:
        tool.go.set()
    for number, stream in enumerate(streams):
        _, answer = await within(everything(stream))
        assert (answer["id"], text_of(answer)) == (7, f"call-{number}")


async def test_requests_of_2026_07_28_with_the_same_ids_get_only_messages_of_their_own_calls(
    one: Process, other: Process
) -> None:
    held = [Held(process) for process in (one, other)]

    async def call(number: int) -> Response:
        params = {
            "name": "held",
            "arguments": {"label": f"call-{number}"},
            "_meta": {"progressToken": "the-same"},
        }
        return await modern((one, other)[number % 2], "tools/call", params, id="the-same")

    streams = await within(asyncio.gather(*map(call, range(8))))
    for tool in held:
        tool.go.set()
    for number, stream in enumerate(streams):
        heard, answer = await within(everything(stream))
        assert heard == ["first", "second"]
        assert text_of(answer) == f"call-{number}"
