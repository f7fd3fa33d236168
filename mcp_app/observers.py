"""Observers: classes of a project that are told what the engine does, for metrics and audits.

`MCP_OBSERVERS` lists them by dotted path. An observer only learns what has happened; to change a call, use a
middleware of the SDK.

    class Metrics(Observer):
        def call_finished(self, call: CallFacts, outcome: CallOutcome) -> None:
            DURATION.labels(call.method, outcome.error_type or "").observe(outcome.seconds)

The hooks are called in a thread of their own, one after the other and in order. So a slow one delays no call:
it may use Django's ORM, or write a file. There are two exceptions, which are called in the event loop: all
hooks of an observer that says that it is quick, and `answered`, for audits that must miss nothing: the answer
waits for it. A hook that raises is logged, and its observer is removed from the process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

__all__ = [
    "AnswerFacts",
    "CallFacts",
    "CallOutcome",
    "Observer",
    "RefusalFacts",
    "SessionEnd",
    "SessionFacts",
    "StreamFacts",
]

_MAX_WAITING = 10_000
"""How many events wait for slow observers; beyond that, the newest are dropped."""

_IDLE_SECONDS = 1.0
"""After how long without an event the observers' thread counts as idle."""

_CLOSE_SECONDS = 2.0
"""How long the last events may take when the process ends."""


class CallFacts(NamedTuple):
    """A call: a request of a client that reaches a handler, or a round of a task.

    What a client chose is truncated to 128 characters.

    Attributes:
        method: Its JSON-RPC method, such as `tools/call`.
        tool: The tool of a `tools/call`.
        kind: `session` (up to 2025-11-25), `stateless` (2026-07-28) or `task`.
        session: The id of the session; it gives access, so do not log all of it.
        revision: The protocol revision.
        username: The user's name for people, as in the log.
        issuer: Who issued the token; empty if the token does not say.
        subject: The user, as the issuer names them; empty for a client that acts for nobody.
        client: The id of the OAuth client.
        trace_id: The trace that the client's request belongs to (`traceparent` in `_meta`), in hexadecimal.
        resource: The URI of a method of resources, without what may carry secrets: `shown_uri`.
        id: The JSON-RPC id, as text; of a task the beginning of its id.
    """

    method: str
    tool: str | None
    kind: str
    session: str | None
    revision: str
    username: str
    issuer: str
    subject: str
    client: str
    trace_id: str | None
    resource: str | None = None
    id: str | None = None


class AnswerFacts(NamedTuple):
    """How a request was answered.

    Attributes:
        kind: `result`, `tool_error`, `error`, `cancelled` and `lost`, as in `CallOutcome`; `refused`, before
            it became a call; `accepted`, a notification, or a client's answer to a question; `stream`, an
            event stream that was opened by a GET. `result` is also a DELETE that ended its session, and a
            GET for a stream that is over.
        seconds: From the arrival of the request, or since another process took it up, to its answer.
        attempt: 1; more if processes that had the request before have died.
        code: The code of a JSON-RPC error.
        status: The HTTP status of a refusal.
        reason: Why it was refused, in a word; docs/audit.md lists all.
    """

    kind: str
    seconds: float
    attempt: int = 1
    code: int | None = None
    status: int | None = None
    reason: str | None = None


class CallOutcome(NamedTuple):
    """How a call ended.

    Attributes:
        kind: `result`; `tool_error`, a result that says so (`isError`); `error`, a JSON-RPC error;
            `cancelled`, by the client, by its disconnection where that counts, or because access was
            withdrawn; `lost`, because its process died or stopped and it must not be repeated.
        seconds: How long the handler ran, in the process where it ended.
        error_type: The code of a JSON-RPC error, as text; otherwise the kind, and None for a result.
    """

    kind: str
    seconds: float
    error_type: str | None


LOST = CallOutcome("lost", 0.0, "lost")
"""How a call ends if it is given up after its process has died."""


class SessionFacts(NamedTuple):
    """A session, up to 2025-11-25.

    Attributes:
        id: Its id; it gives access, so do not log all of it.
        revision: The negotiated revision.
        username: The user's name for people, as in the log.
        client: The id of the OAuth client.
        software: Name and version of the client software, as it says itself.
    """

    id: str
    revision: str
    username: str
    client: str
    software: str


class SessionEnd(NamedTuple):
    """A session that has ended.

    Attributes:
        id: Its id, which gives access to nothing any more.
        revision: The negotiated revision; empty if its client never initialized it.
        username: The user's name for people, as in the log.
        client: The id of the OAuth client.
        seconds: How long it existed.
    """

    id: str
    revision: str
    username: str
    client: str
    seconds: float


class StreamFacts(NamedTuple):
    """An open event stream.

    Attributes:
        kind: `standalone` for a GET stream, `reply` for the response to calls of a session, `listen` for
            `subscriptions/listen`.
        session: The id of its session; None for `listen`.
        username: The user's name for people, as in the log.
        client: The id of the OAuth client.
        is_resumed: Whether it continues an earlier one (`Last-Event-ID`).
    """

    kind: str
    session: str | None
    username: str
    client: str
    is_resumed: bool = False


class RefusalFacts(NamedTuple):
    """A request that was refused before it became a call.

    Attributes:
        status: The HTTP status.
        code: The JSON-RPC error code.
        message: The error message.
        path: The path of the request.
        username: The user's name for people; empty before the token was verified.
        client: The id of the OAuth client; empty before the token was verified.
        method: The JSON-RPC method, if the body was read.
        tool: The tool, if the body was read.
        reason: Why, in a word, such as `invalid_token`; docs/audit.md lists all.
    """

    status: int
    code: int
    message: str
    path: str
    username: str
    client: str
    method: str | None
    tool: str | None
    reason: str = ""


class Observer:
    """Base class of observers. Override what you need; what nobody overrides costs nothing.

    One instance is created in each process that serves, without arguments. Over all processes, each call is
    started once, and finished once unless it is still running; a call that another process takes up is
    recovered there, and not started again. Events still queued when a process is killed are lost. If an
    observer is so slow that ten thousand events wait, further ones are dropped, which is logged.

    Attributes:
        is_quick: Whether its hooks are called in the event loop, at that moment. Then nothing is dropped, and
            nothing waits for a thread; but everybody waits for the hooks, so they must take microseconds.
    """

    is_quick = False

    def session_opened(self, session: SessionFacts) -> None:
        """A client has initialized a session."""

    def session_ended(self, session: SessionEnd) -> None:
        """A serving process has ended a session: its client asked for it, or to make room for another.

        Sessions that expire, or that `control` ends, are not reported.
        """

    def call_started(self, call: CallFacts) -> None:
        """The handler of a call is about to run."""

    def call_streamed(self, call: CallFacts) -> None:
        """The response of a call became an event stream; in a batch, and over HTTP+SSE, before it started."""

    def call_sent(self, call: CallFacts, method: str) -> None:
        """A call has sent its client a notification, such as progress."""

    def call_asked(self, call: CallFacts, method: str) -> None:
        """A call asked its client something: `elicitation/create`, `sampling/createMessage`, `roots/list`."""

    def call_recovered(self, call: CallFacts) -> None:
        """This process took up a call whose process died or stopped. It runs again, or ends as `lost`."""

    def call_finished(self, call: CallFacts, outcome: CallOutcome) -> None:
        """A call has ended."""

    def stream_opened(self, stream: StreamFacts) -> None:
        """A client has opened an event stream."""

    def stream_closed(self, stream: StreamFacts) -> None:
        """An event stream was closed, by either side."""

    def refused(self, refusal: RefusalFacts) -> None:
        """A request to an MCP endpoint was refused: no token, no session, past a limit, shutting down."""

    def answered(self, request: CallFacts, answer: AnswerFacts) -> None:
        """A request is about to be answered, or was cancelled. Called in the event loop, before that.

        It is also called for the runs of a task, when their outcome is about to be stored.

        It must take microseconds: the answer, and everybody else, waits for it. In return nothing is missed,
        even if the process is killed: a client gets no answer that observers were not told of. A process may
        be killed between the two, though; then another one answers, and tells it again, as a later `attempt`.
        """


_Hooks = dict[str, list[tuple[Observer, Callable[..., None]]]]

_HOOKS = [name for name, hook in vars(Observer).items() if callable(hook)]


def _nothing() -> None:
    pass


class Observers:
    """The observers of a process. `tell` may be called from its event loop.

    Args:
        observers: The observers.
        on_idle: Called in their thread when there is nothing to tell for a moment, and at the end.

    Attributes:
        watch_calls: Whether any observer has a hook of calls.
    """

    def __init__(self, observers: Iterable[Observer] = (), on_idle: Callable[[], None] = _nothing) -> None:
        self._hooks: _Hooks = {}
        self._quick: _Hooks = {}
        self._changing = threading.Lock()
        self.watch_calls = False
        for observer in observers:
            self.attach(observer)
        self._on_idle = on_idle
        self._waiting: SimpleQueue[tuple[str, tuple[Any, ...]] | None] = SimpleQueue()
        self._is_dropping = False
        self._thread: threading.Thread | None = None

    def attach(self, observer: Observer) -> None:
        """Add an observer. It is told what happens from now on."""
        overridden = [name for name in _HOOKS if getattr(type(observer), name) is not getattr(Observer, name)]
        hooks = self._quick if observer.is_quick else self._hooks
        with self._changing:
            for name in overridden:
                hooks[name] = [*hooks.get(name, ()), (observer, getattr(observer, name))]
            self._look_for_calls()

    def detach(self, observer: Observer) -> None:
        """Remove an observer. It may still be told what has happened before."""
        with self._changing:  # in the event loop, or in the thread of the observers if it has failed
            for hooks in (self._hooks, self._quick):
                for name, found in list(hooks.items()):
                    if left := [(one, call) for one, call in found if one is not observer]:
                        hooks[name] = left
                    else:
                        del hooks[name]
            self._look_for_calls()

    def _look_for_calls(self) -> None:
        self.watch_calls = any(name.startswith("call_") for name in (*self._hooks, *self._quick))

    def __contains__(self, hook: str) -> bool:
        """Whether any observer has this hook."""
        return hook in self._hooks or hook in self._quick

    def tell(self, hook: str, *facts: Any) -> None:
        """Call a hook of all observers that have it: quick ones now, others soon and in their thread."""
        for observer, call in self._quick.get(hook, ()):
            self._call(observer, call, facts)
        if hook not in self._hooks:
            return
        if self._waiting.qsize() >= _MAX_WAITING:
            if not self._is_dropping:
                logger.warning("observers are too slow: events dropped")
            self._is_dropping = True
            return
        self._is_dropping = False
        self._waiting.put((hook, facts))
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="mcp observers", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # a process may have so many threads; the next event tries again
                logger.exception("no thread for observers")
            else:
                self._thread = thread

    def tell_now(self, hook: str, *facts: Any) -> None:
        """Call a hook of all observers that have it, here and now."""
        for observer, call in (*self._quick.get(hook, ()), *self._hooks.get(hook, ())):
            self._call(observer, call, facts)

    async def aclose(self) -> None:
        """Tell the observers what still waits, for a limited time, and end their thread."""
        if (thread := self._thread) is not None:
            self._waiting.put(None)
            await asyncio.to_thread(thread.join, _CLOSE_SECONDS)

    def _run(self) -> None:
        is_idle = True
        while True:
            try:
                event = self._waiting.get(timeout=None if is_idle else _IDLE_SECONDS)
            except Empty:
                is_idle = True
                self._tidy_up()
                continue
            if event is None:
                break
            is_idle = False
            hook, facts = event
            for observer, call in self._hooks.get(hook, ()):
                self._call(observer, call, facts)
        self._tidy_up()

    def _tidy_up(self) -> None:
        try:
            self._on_idle()
        except Exception:
            logger.exception("could not tidy up after observers")

    def _call(self, observer: Observer, call: Callable[..., None], facts: tuple[Any, ...]) -> None:
        try:
            call(*facts)
        except Exception:
            name = type(observer).__qualname__
            logger.exception("observer failed and was removed", extra={"observer": name})
            self.detach(observer)


NOBODY = Observers()
"""No observers."""
