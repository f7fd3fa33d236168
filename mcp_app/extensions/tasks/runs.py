"""The runs of this process: rounds of tasks, each under a lease, and the recovery of lost ones.

A run calls the tool with the parameters of the original call and all answers so far. It ends with a result,
an error, or questions; between two rounds no process is needed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from mcp.server import Server
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
)

from mcp_app import observers
from mcp_app.coordination.connection import retry
from mcp_app.exceptions import Unavailable
from mcp_app.extensions.tasks.held import TasksTooLarge
from mcp_app.extensions.tasks.store import MAX_RESULT_BYTES, TaskStore, TooLarge
from mcp_app.extensions.tasks.task import TERMINAL, Status, Task
from mcp_app.ids import short_id
from mcp_app.observers import NOBODY, AnswerFacts, Observers
from mcp_app.protocol.call import Call
from mcp_app.protocol.client_declaration import without_unknown_modes
from mcp_app.protocol.repeatable import MayRepeat
from mcp_app.protocol.serve import serve, tell_answered
from mcp_app.sdk import CallOptions, Connection

logger = logging.getLogger(__name__)


def _error(reason: str, message: str) -> dict[str, Any]:
    return {"code": INTERNAL_ERROR, "message": message, "data": {"reason": reason}}


LOST = _error(
    "worker_lost",
    "The process that ran this task stopped or died before it ended; it was not run again.",
)
EXPIRED = _error("expired", "The task did not finish within its time to live.")
TOO_LARGE = _error(
    "result_too_large",
    "What the task ended with, a result, an error or questions, is too large for one: more than "
    f"{MAX_RESULT_BYTES} bytes.",
)

MAX_LOST = 3
"""After this many lost runs a task is not re-run: it may be what crashes the processes. Runs that were
released during a shutdown do not count."""

_MESSAGE_SECONDS = 0.5
"""The minimum time between two status messages of a run."""

_FINISH_SECONDS = 60.0
"""How long storing the outcome of a run is retried while Redis is unavailable."""

_HAND_OVER_SECONDS = 2.0
"""How long cancelled runs may take to clean up during shutdown."""


class TaskCall(Call):
    """One run of a task, which is also the `request` of its handler's context.

    A task has no channel to the client: requests are rejected, notifications dropped (SEP-2663, "Task
    Status Notifications"), and progress becomes the status message.
    """

    kind = "task"

    def __init__(
        self, store: TaskStore, task: Task, observers: Observers = NOBODY, *, is_recovered: bool = False
    ) -> None:
        super().__init__("tools/call", _params(task), task.id)
        self.revision = task.params.get("_meta", {}).get(PROTOCOL_VERSION_META_KEY, "")
        self.observers = observers
        self.is_recovered = is_recovered
        self.runs = task.lost + 1
        self.task = task
        self._store = store
        self._reported_at = 0.0

    @property
    def cancelled_as(self) -> str | None:
        return "cancelled" if time.time() >= self.task.expires_at else super().cancelled_as

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        return

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        now = time.monotonic()
        if now - self._reported_at < _MESSAGE_SECONDS:
            return
        self._reported_at = now
        text = message or f"{progress:g}" + ("" if total is None else f" of {total:g}")
        with suppress(Unavailable):
            await self._store.set_status_message(self.task, text)


def _params(task: Task) -> dict[str, Any]:
    """The parameters of the original call, with all answers so far."""
    params = {**task.params, "inputResponses": {**task.params.get("inputResponses", {}), **task.answers}}
    if not params["inputResponses"]:
        del params["inputResponses"]
    if task.state is not None:
        params["requestState"] = task.state
    return params


class TaskRuns:
    """Starts runs under leases, and recovers tasks whose run was lost."""

    def __init__(
        self, store: TaskStore, server: Server[Any], may_repeat: MayRepeat, observers: Observers = NOBODY
    ) -> None:
        self._store = store
        self._server = server
        self._may_repeat = may_repeat
        self._observers = observers
        self._running: dict[TaskCall, asyncio.Task[None]] = {}
        store.on_change(self._on_change)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, task: Task, lifespan_state: Any, *, is_recovered: bool = False) -> None:
        """Start the next round of a task, which is leased to its run, as the current principal."""
        context = TaskCall(self._store, task, self._observers, is_recovered=is_recovered)
        running = asyncio.create_task(self._run(context, lifespan_state), name=f"task {task.id}")
        self._running[context] = running
        running.add_done_callback(lambda done: self._done(context, done))

    async def recover_if_lost(self, task: Task, lifespan_state: Any) -> Task:
        """The task, after ending it if it has expired, or recovering it if its run was lost.

        Called whenever a task is read, with the task's principal as the current one.
        """
        if task.has_ended:
            return task
        if time.time() >= task.expires_at:
            await self._store.expire(task.id, EXPIRED)
        elif task.is_released or (task.is_lost and self._store.leases.can_detect_death):
            if (taken := await self._store.take_over(task.id)) is not None:
                await self._rerun_or_fail(taken, lifespan_state)
        else:
            return task
        return await self._store.get(task.id) or task

    async def aclose(self) -> None:
        """Cancel the runs of this process and release their leases; other processes recover the tasks.

        Runs that ignore their cancellation are left running. They can no longer change their tasks.
        """
        running = dict(self._running)
        for task in running.values():
            task.cancel()
        if running:
            await asyncio.wait(running.values(), timeout=_HAND_OVER_SECONDS)
        for context in running:
            with suppress(Unavailable):
                await self._store.release(context.task)

    async def _rerun_or_fail(self, task: Task, lifespan_state: Any) -> None:
        if task.lost < MAX_LOST and await self._may_repeat("tools/call", task.params):
            logger.warning(
                "re-running a task whose process died", extra={"task": short_id(task.id), "tool": task.tool}
            )
            self.start(task, lifespan_state, is_recovered=True)
        else:
            logger.warning(
                "giving up a task whose process died", extra={"task": short_id(task.id), "tool": task.tool}
            )
            if await self._store.fail(task, LOST):
                facts = TaskCall(self._store, task).facts
                self._observers.tell("call_recovered", facts)
                self._observers.tell("call_finished", facts, observers.LOST)
                self._observers.tell_now("answered", facts, AnswerFacts("lost", 0.0, task.lost + 1))

    async def _run(self, context: TaskCall, lifespan_state: Any) -> None:
        lease = self._store.lease_of(context.task, lambda: self._cancel(context))
        self._store.leases.start_renewing(lease)
        try:
            async with self._store.subscribed(context.task.id):
                await self._finish(context.task, await self._serve(context, lifespan_state))
        except asyncio.CancelledError:
            if context.cancel_requested.is_set():
                tell_answered(context, None)
            raise
        finally:
            self._store.leases.stop_renewing(lease)

    async def _serve(self, context: TaskCall, lifespan_state: Any) -> Callable[[], Awaitable[bool]]:
        """Run the tool. Returns a function that stores the outcome."""
        task, store = context.task, self._store
        meta = task.params["_meta"]
        connection = Connection.from_envelope(
            meta[PROTOCOL_VERSION_META_KEY],
            meta.get(CLIENT_INFO_META_KEY),
            without_unknown_modes(meta[CLIENT_CAPABILITIES_META_KEY]),
        )
        try:
            async with asyncio.timeout(max(0.0, task.expires_at - time.time())):
                outcome = await serve(self._server, context, connection, lifespan_state)
        except TimeoutError:
            tell_answered(context, None, "expired")
            return lambda: store.fail(task, EXPIRED)
        tell_answered(context, outcome)
        if (result := outcome.result) is None:
            error = json.loads(outcome.json)
            return lambda: store.fail(task, error)
        if result.get("resultType") == "input_required":
            questions = result.get("inputRequests") or {}
            return lambda: store.ask(task, questions, result.get("requestState"))
        return lambda: store.complete(task, result)

    async def _finish(self, task: Task, finish: Callable[[], Awaitable[bool]]) -> None:
        async def finish_or_fail() -> bool:
            try:
                return await finish()
            except TooLarge:
                return await self._store.fail(task, TOO_LARGE)
            except TasksTooLarge as error:
                refusal = {"code": INVALID_REQUEST, "message": str(error), "data": error.data}
                return await self._store.fail(task, refusal)

        try:
            await retry(finish_or_fail, _FINISH_SECONDS)
        except Unavailable:
            logger.error("task outcome lost: Redis unavailable")

    def _on_change(self, task_id: str, status: Status) -> None:
        if status in TERMINAL:
            for context in list(self._running):
                if context.task.id == task_id:
                    self._cancel(context)

    def _cancel(self, context: TaskCall) -> None:
        running = self._running.get(context)
        if running is not None and running is not asyncio.current_task():
            context.cancel_requested.set()
            running.cancel()

    def _done(self, context: TaskCall, running: asyncio.Task[None]) -> None:
        self._running.pop(context, None)
        if not running.cancelled() and (error := running.exception()) is not None:
            logger.error("task run crashed", exc_info=error)
