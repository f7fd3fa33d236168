"""What a small call costs, as a number that does not depend on the machine: functions of ours that run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import mcp_app
from mcp_app.coordination import keys
from mcp_app.observers import AnswerFacts, CallFacts, Observer
from tests.bench.parts import count_python_calls
from tests.mcp_app.transports.support import Process, Session, modern, tool_call

OURS = str(Path(mcp_app.__file__).parent)

MAX_CALLS = 120
"""It was 106 at the time of writing. Raise this only for what is worth the time of every call."""

MAX_CALLS_OF_AN_AUDIT = 15
"""What an audit may add."""


@pytest.fixture
async def nobody_watches(one: Process) -> None:
    """Else a process that starts publishes its events, while a watcher of an earlier test is remembered."""
    await one.runtime.redis.delete(keys.room_watched())


@pytest.fixture(params=["2025-11-25", "2026-07-28"])
def small_call(
    request: pytest.FixtureRequest, nobody_watches: None, one: Process, session: Session
) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        arguments = {"message": "hello"}
        if request.param == "2025-11-25":
            response = await session.post(one, tool_call("echo", arguments))
        else:
            response = await modern(one, "tools/call", {"name": "echo", "arguments": arguments})
        assert (await response.json())["result"]["content"][0]["text"] == "Echo: hello"

    return call


class Auditing(Observer):
    """Is told before each answer, as an audit is."""

    def answered(self, request: CallFacts, answer: AnswerFacts) -> None:
        pass


async def test_an_audit_adds_few(one: Process, small_call: Callable[[], Awaitable[None]]) -> None:
    without = await count_python_calls(small_call, OURS)
    one.runtime.observers.attach(Auditing())
    assert await count_python_calls(small_call, OURS) - without <= MAX_CALLS_OF_AN_AUDIT


async def test_a_small_call_runs_few_functions_of_ours(small_call: Callable[[], Awaitable[None]]) -> None:
    assert await count_python_calls(small_call, OURS) <= MAX_CALLS
