"""Observers: what they are told of sessions, calls, streams and refusals, and that they can do no harm."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from mcp_app.extensions.tasks.declaration import IDENTIFIER
from mcp_app.observers import CallFacts, CallOutcome, Observer, Observers, RefusalFacts, StreamFacts
from mcp_app.runtime import Runtime
from mcp_app.sessions import keys
from tests.mcp_app.transports.support import (
    LATEST,
    MODERN,
    Held,
    Process,
    Session,
    call_held,
    cancel_a_call,
    modern,
    request,
    text_of,
    tool_call,
)
from tests.support.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"

Told = list[tuple[Any, ...]]


class Everything(Observer):
    """Keeps what all processes are told, as the name of the hook and the facts."""

    told: Told = []


def _keep(hook: str) -> Callable[..., None]:
    return lambda self, *facts: self.told.append((hook, *facts))


HOOKS = [name for name, hook in vars(Observer).items() if callable(hook)]
for hook in HOOKS:
    setattr(Everything, hook, _keep(hook))


class Failing(Observer):
    """Fails with the first call; it must not hear of another."""

    calls: list[str] = []

    def call_started(self, call: CallFacts) -> None:
        self.calls.append(call.method)
        raise RuntimeError("no more metrics")


class Blocking(Observer):
    """Does not return until the test lets it."""

    go = threading.Event()
    blocked = threading.Event()

    def call_started(self, call: CallFacts) -> None:
        self.blocked.set()
        self.go.wait(30)


@pytest.fixture(autouse=True)
def observers(mcp_settings: Any) -> None:
    mcp_settings.MCP_OBSERVERS = [f"{__name__}.Everything"]


@pytest.fixture
def told() -> Iterator[Told]:
    """What the observers have been told."""
    Everything.told.clear()
    yield Everything.told
    Everything.told.clear()


def of_calls(told: Told, method: str = "tools/call") -> list[tuple[str, CallFacts, Any]]:
    """What was told of calls of one method, apart from their answers: the hook, the facts, and what more."""
    return [
        (hook, facts, rest[0] if rest else None)
        for hook, facts, *rest in list(told)
        if isinstance(facts, CallFacts) and facts.method == method and hook != "answered"
    ]


async def finished(told: Told, count: int = 1, method: str = "tools/call") -> list[CallOutcome]:
    """The outcomes of so many calls, once they are told."""

    def outcomes() -> list[CallOutcome]:
        return [outcome for hook, _, outcome in of_calls(told, method) if hook == "call_finished"]

    await eventually(lambda: len(outcomes()) >= count)
    return outcomes()


async def test_a_call_of_a_session_is_told_at_its_start_and_at_its_end(
    told: Told, one: Process, session: Session
) -> None:
    call = tool_call("echo", {"message": "x"})
    call["params"]["_meta"] = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    assert text_of(await (await session.post(one, call)).answer()) == "Echo: x"
    [outcome] = await finished(told)
    assert [hook for hook, *_ in of_calls(told)] == ["call_started", "call_finished"]
    [facts] = {facts for _, facts, _ in of_calls(told)}
    assert (facts.tool, facts.kind, facts.session, facts.revision) == ("echo", "session", session.id, LATEST)
    assert (facts.username, facts.subject, facts.trace_id) == ("alice", "alice", TRACE)
    assert facts.client
    assert (outcome.kind, outcome.error_type) == ("result", None)
    assert outcome.seconds > 0


async def test_a_call_without_a_session_is_told_too(told: Told, one: Process) -> None:
    traced = {"name": "echo", "arguments": {"message": "x"}, "_meta": {"traceparent": "no trace"}}
    await (await modern(one, "tools/call", traced)).answer()
    [outcome] = await finished(told)
    [facts] = {facts for _, facts, _ in of_calls(told)}
    assert (facts.kind, facts.session, facts.revision) == ("stateless", None, MODERN)
    assert (facts.username, facts.trace_id, outcome.kind) == ("alice", None, "result")


async def test_the_outcome_says_what_kind_of_error_it_was(told: Told, one: Process, session: Session) -> None:
    async def fails() -> str:
        raise ToolError("sold out")

    one.runtime.server.add_tool(fails)
    await session.call(one, "fails")
    await session.call(one, "nobody-knows-this")
    outcomes = await finished(told, 2)
    assert [(each.kind, each.error_type) for each in outcomes] == [
        ("tool_error", "tool_error"),
        ("error", "-32602"),
    ]


@pytest.mark.parametrize("is_modern", [False, True], ids=["by its client", "as its client disconnects"])
async def test_a_call_that_is_cancelled_is_told_as_such(
    told: Told, one: Process, session: Session, is_modern: bool
) -> None:
    await cancel_a_call(one, session, is_modern=is_modern)
    [outcome] = await finished(told)
    assert (outcome.kind, outcome.error_type) == ("cancelled", "cancelled")


@pytest.mark.parametrize("is_modern", [False, True], ids=["session", "stateless"])
async def test_the_notifications_of_a_call_are_told_and_that_it_became_a_stream(
    told: Told, one: Process, session: Session, is_modern: bool
) -> None:
    Held(one).go.set()
    if is_modern:
        await (await modern(one, "tools/call", call_held()["params"])).messages()
    else:
        await (await session.post(one, call_held())).messages()
    await finished(told)
    hooks = [(hook, more if hook == "call_sent" else None) for hook, _, more in of_calls(told)]
    assert hooks.count(("call_streamed", None)) == 1
    assert hooks.count(("call_sent", "notifications/progress")) == 2
    assert (hooks[0][0], hooks[-1][0]) == ("call_started", "call_finished")


async def test_a_question_to_the_client_is_told_at_every_revision(
    told: Told, one: Process, session: Session
) -> None:
    stream = await session.post(one, tool_call("elicitInputs"))
    asked = await stream.next_message()
    answer = {"action": "accept", "content": {"name": "Ada"}}
    await session.post(one, {"jsonrpc": "2.0", "id": asked["id"], "result": answer})
    await stream.messages()
    result = await (await modern(one, "tools/call", {"name": "elicitInputs"})).answer()
    assert result["result"]["resultType"] == "input_required"
    await finished(told, 2)
    asked_of = [(facts.kind, more) for hook, facts, more in of_calls(told) if hook == "call_asked"]
    assert asked_of == [("session", "elicitation/create"), ("stateless", "elicitation/create")]


@pytest.mark.parametrize("may_repeat", [True, False], ids=["re-run", "given up"])
async def test_a_call_that_is_recovered_is_started_once_and_finished_once_over_all_processes(
    told: Told, one: Process, other: Process, session: Session, running_for_long: None, may_repeat: bool
) -> None:
    annotations = ToolAnnotations(idempotent_hint=may_repeat)
    Held(one, annotations=annotations)
    Held(other, annotations=annotations).go.set()
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await one.runtime.calls.stop()  # without a word to Redis, as by SIGKILL
    await stream.drop()
    for name in await one.runtime.redis.hkeys(keys.calls(session.id)):
        await one.runtime.redis.delete(keys.lease(session.id, str(name)))
    await (await session.get(other, last.id)).messages()
    [outcome] = await finished(told)
    hooks = [hook for hook, *_ in of_calls(told)]
    for hook in ("call_started", "call_streamed", "call_recovered", "call_finished"):
        assert hooks.count(hook) == 1, hook
    assert outcome.kind == ("result" if may_repeat else "lost")
    assert {(facts.tool, facts.session) for _, facts, _ in of_calls(told)} == {("held", session.id)}


async def test_a_round_of_a_task_is_a_call_of_its_own(told: Told, one: Process) -> None:
    capabilities: dict[str, Any] = {"elicitation": {}, "extensions": {IDENTIFIER: {}}}
    call = {"name": "slow_compute", "arguments": {"seconds": 0}}
    answer = await (await modern(one, "tools/call", call, capabilities=capabilities)).answer()
    assert answer["result"]["resultType"] == "task"
    await finished(told, 2)
    kinds = [(hook, facts.kind) for hook, facts, _ in of_calls(told) if facts.kind == "task"]
    assert kinds == [("call_started", "task"), ("call_finished", "task")]


async def test_sessions_and_streams_are_told_when_they_begin_and_end(
    told: Told, one: Process, other: Process
) -> None:
    session = await Session.open(one)
    stream = await session.listen(other)
    await stream.drop()
    listening = await modern(one, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    await listening.next_message()
    await listening.drop()
    await session.delete(other)
    await eventually(lambda: "session_ended" in {hook for hook, *_ in told})
    await eventually(lambda: sum(hook == "stream_closed" for hook, *_ in told) == 2)
    [opened] = [facts for hook, facts, *_ in told if hook == "session_opened"]
    assert (opened.id, opened.revision, opened.username, opened.software) == (
        *(session.id, LATEST, "alice"),
        "test 1",
    )
    [ended] = [facts for hook, facts, *_ in told if hook == "session_ended"]
    assert (ended.id, ended.revision, ended.username, ended.client) == (
        *(session.id, LATEST, "alice"),
        opened.client,
    )
    assert 0 < ended.seconds < 60
    streams = [(hook, facts) for hook, facts, *_ in told if isinstance(facts, StreamFacts)]
    assert [(hook, facts.kind, facts.session) for hook, facts in streams] == [
        ("stream_opened", "standalone", session.id),
        ("stream_closed", "standalone", session.id),
        ("stream_opened", "listen", None),
        ("stream_closed", "listen", None),
    ]


async def test_what_is_refused_is_told_with_who_asked_for_what(told: Told, one: Process) -> None:
    session = await Session.open(one)
    await session.post(one, tool_call("echo"), authorization=None)
    await Session("unknown").post(one, tool_call("echo"))
    await eventually(lambda: sum(hook == "refused" for hook, *_ in told) == 2)
    stranger, alice = (facts for _, facts, *_ in told if isinstance(facts, RefusalFacts))
    assert (stranger.status, stranger.username, stranger.method) == (401, "", None)
    assert (alice.status, alice.code, alice.username) == (404, -32001, "alice")
    assert (alice.method, alice.tool, alice.path) == ("tools/call", "echo", "/mcp")
    assert (stranger.reason, alice.reason) == ("no_token", "session_not_found")


async def test_a_stream_that_continues_an_earlier_one_is_told_as_such(
    told: Told, one: Process, other: Process, session: Session
) -> None:
    held = Held(one)
    stream = await session.post(one, call_held())
    last = await stream.next_event()
    await stream.drop()
    held.go.set()
    await (await session.get(other, last.id)).messages()
    await eventually(lambda: sum(hook == "stream_closed" for hook, *_ in told) == 2)
    opened = [facts for hook, facts, *_ in told if hook == "stream_opened"]
    assert [(facts.kind, facts.is_resumed) for facts in opened] == [("reply", False), ("reply", True)]


async def test_an_observer_that_fails_is_logged_and_removed_and_harms_neither_calls_nor_other_observers(
    told: Told, mcp_settings: Any, start_process: Callable[[], Process], caplog: pytest.LogCaptureFixture
) -> None:
    mcp_settings.MCP_OBSERVERS = [f"{__name__}.Failing", f"{__name__}.Everything"]
    Failing.calls.clear()
    process = start_process()
    session = await Session.open(process)
    for _ in range(3):
        assert text_of(await session.call(process, "echo", {"message": "x"})) == "Echo: x"
    assert len(await finished(told, 3)) == 3
    assert Failing.calls == ["initialize"]
    assert caplog.text.count("observer failed and was removed") == 1


async def test_an_observer_that_blocks_delays_no_call(
    mcp_settings: Any, start_process: Callable[[], Process]
) -> None:
    mcp_settings.MCP_OBSERVERS = [f"{__name__}.Blocking"]
    Blocking.go.clear()
    Blocking.blocked.clear()
    process = start_process()
    try:
        session = await Session.open(process)
        await asyncio.to_thread(Blocking.blocked.wait, 30)
        assert text_of(await session.call(process, "echo", {"message": "x"})) == "Echo: x"
        assert not Blocking.go.is_set()
    finally:
        Blocking.go.set()


async def test_events_wait_for_a_slow_observer_and_too_many_are_dropped_which_is_logged_once(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mcp_app.observers._MAX_WAITING", 3)
    Blocking.go.clear()
    Blocking.blocked.clear()
    observers = Observers([Blocking(), Everything()])
    observers.tell("call_started", call_facts("first"))
    await asyncio.to_thread(Blocking.blocked.wait, 30)
    for number in range(10):
        observers.tell("session_ended", f"{number}")
    Blocking.go.set()
    await observers.aclose()
    assert [session for hook, session in told if hook == "session_ended"] == ["0", "1", "2"]
    assert caplog.text.count("observers are too slow") == 1


def call_facts(method: str) -> CallFacts:
    return CallFacts(method, None, "session", None, "", "", "", "", "", None)


async def test_the_database_connections_of_observers_are_closed_when_nothing_happens_and_at_the_end(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_app.observers._IDLE_SECONDS", 0.01)
    closed_in: list[str] = []
    observers = Observers([Everything()], on_idle=lambda: closed_in.append(threading.current_thread().name))
    observers.tell("session_ended", "a")
    await eventually(lambda: closed_in == ["mcp observers"])
    observers.tell("session_ended", "b")
    await observers.aclose()
    assert len(told) == 2
    assert len(closed_in) >= 2


async def test_without_room_for_a_thread_calls_go_on_and_the_next_event_starts_it(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    observers = Observers([Everything()])
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        observers.tell("session_ended", "a")
        await observers.aclose()
    observers.tell("session_ended", "b")
    await observers.aclose()
    assert [session for _, session in told] == ["a", "b"]
    assert "no thread for observers" in caplog.text


async def test_observers_are_told_more_after_their_database_connections_could_not_be_closed(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mcp_app.observers._IDLE_SECONDS", 0.01)

    def fail() -> None:
        raise OSError("the connection is broken")

    observers = Observers([Everything()], on_idle=fail)
    observers.tell("session_ended", "a")
    await eventually(lambda: "could not tidy up after observers" in caplog.text)
    observers.tell("session_ended", "b")
    await observers.aclose()
    assert [session for _, session in told] == ["a", "b"]


async def test_without_observers_there_is_no_thread_and_calls_are_not_wrapped(
    mcp_settings: Any, start_process: Callable[[], Process]
) -> None:
    mcp_settings.MCP_OBSERVERS = []
    process = start_process()
    session = await Session.open(process)
    assert (await (await session.post(process, request("ping"))).answer())["result"] == {}
    assert not process.runtime.observers.watch_calls
    assert "mcp observers" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("path", "reason"),
    [("nowhere.Metrics", "nowhere"), ("json.JSONDecoder", "is no mcp_app.observers.Observer")],
)
def test_an_observer_that_cannot_be_used_is_refused_by_name(
    mcp_settings: Any, path: str, reason: str
) -> None:
    mcp_settings.MCP_OBSERVERS = [path]
    with pytest.raises(ImproperlyConfigured, match=f"{path}.*{reason}"):
        Runtime()


class Quick(Everything):
    """Is told in the event loop."""

    is_quick = True


async def test_a_quick_observer_is_told_at_once_and_starts_no_thread(told: Told) -> None:
    observers = Observers([quick := Quick()])
    assert "call_started" in observers
    assert observers.watch_calls
    observers.tell("call_started", facts := call_facts("ping"))
    assert told == [("call_started", facts)]
    assert "mcp observers" not in {thread.name for thread in threading.enumerate()}
    observers.detach(quick)
    assert not observers.watch_calls
    observers.tell("call_started", facts)
    assert len(told) == 1


async def test_a_quick_observer_that_fails_is_removed_and_fails_no_call(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    Failing.calls.clear()
    failing = Failing()
    failing.is_quick = True
    observers = Observers([failing, Quick()])
    for _ in range(2):
        observers.tell("call_started", call_facts("ping"))
    assert Failing.calls == ["ping"]
    assert len(told) == 2
    assert caplog.text.count("observer failed and was removed") == 1
