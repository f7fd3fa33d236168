"""The tasks of all processes, in Redis. It knows neither the protocol's methods nor any tool."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from mcp_app.coordination.directory import Directory
from mcp_app.coordination.leases import Fence, Lease, Leases
from mcp_app.exceptions import Unavailable
from mcp_app.extensions.tasks import scripts
from mcp_app.extensions.tasks.task import QUESTION, Question, Status, Task, size, to_json

logger = logging.getLogger(__name__)

CHANGED = "task.changed"

GRACE_SECONDS = 60
"""How long a task can still be read after its time has run out, as `failed` if it had not ended."""


MAX_CALL_BYTES = 64 * 1024
"""Bytes of the parameters of a task's call, as JSON in UTF-8, and of the answers of one `tasks/update`."""

MAX_RESULT_BYTES = 256 * 1024
"""Bytes of the result of a task, as JSON in UTF-8."""


_NO_LIMIT = 2**53


class TooManyTasks(Exception):
    """The principal has as many tasks as it may have."""


class TooLarge(Exception):
    """It is more than a task keeps."""


def record_key(task_id: str) -> str:
    """Hash: the task. The braces keep it and its lease in one slot of a cluster."""
    return f"mcp:task:{{{task_id}}}"


def lease_key(task_id: str) -> str:
    """String: the run in progress; gone when its process has not renewed it."""
    return f"mcp:task:{{{task_id}}}:lease"


def processes_key(task_id: str) -> str:
    """Sorted set: the processes that run the task or wait for its changes; the score is until when."""
    return f"mcp:task:{{{task_id}}}:at"


def index_key(owner: str) -> str:
    """Sorted set: a principal's tasks by when they expire, only to count them."""
    return f"mcp:tasks:{{{hashlib.sha256(owner.encode()).hexdigest()}}}"


def grant_key(grant: str) -> str:
    """Sorted set: the tasks that a consent allowed, by when they expire, to end them with it."""
    return f"mcp:granted:{{{grant}}}"


def withdrawn_key(grant: str) -> str:
    """String: the consent was withdrawn, for a task that is being created by it at that moment."""
    return f"mcp:withdrawn:{{{grant}}}"


class TaskStore:
    """Creates, reads and changes tasks.

    Args:
        redis: A client that decodes responses.
        directory: Finds the processes that run a task or wait for it.
        ttl_seconds: How long a task lives from its creation.
        poll_ms: How often clients should look.
        leases: Of this process; each run is under one.
        max_tasks: How many tasks a principal may have, those that ended and are still readable included.
    """

    def __init__(
        self,
        redis: Redis,
        directory: Directory,
        leases: Leases,
        *,
        ttl_seconds: int = 15 * 60,
        poll_ms: int = 1000,
        max_tasks: int = 1000,
    ) -> None:
        self.leases = leases
        self._redis = redis
        self._directory = directory
        self._ttl_seconds = ttl_seconds
        self._poll_ms = poll_ms
        self._max_tasks = max_tasks
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._listeners: list[Callable[[str, Status], None]] = []
        self._enter = redis.register_script(scripts.ENTER)
        self._claim = redis.register_script(scripts.CLAIM)
        self._release = redis.register_script(scripts.RELEASE)
        self._set_message = redis.register_script(scripts.SET_MESSAGE)
        self._finish_run = redis.register_script(scripts.FINISH_RUN)
        self._end = redis.register_script(scripts.END)
        self._answer = redis.register_script(scripts.ANSWER)
        directory.bus.on(CHANGED, self._on_changed)

    async def create(
        self,
        owner: str,
        tool: str,
        params: dict[str, Any],
        *,
        grant: str | None = None,
        ttl_seconds: int | None = None,
    ) -> Task:
        """A new task, already leased to its first run. It is on record when this returns.

        If the consent that allows it has been withdrawn, the task is `cancelled` and must not be run.

        Args:
            owner: The principal.
            tool: The tool's name.
            params: Of the call.
            grant: What names the consent that allows it, where that is known.
            ttl_seconds: How long it lives, if not as long as usual.

        Raises:
            TooManyTasks: The principal may have no more.
            TooLarge: The parameters are too long.
        """
        now = time.time()
        ttl = ttl_seconds or self._ttl_seconds
        task = Task(
            id=secrets.token_urlsafe(24),
            owner=owner,
            tool=tool,
            params=params,
            status="working",
            created_at=now,
            updated_at=now,
            ttl_ms=ttl * 1000,
            poll_ms=self._poll_ms,
            run=new_run(),
        )
        fields, seconds = task.to_fields(), ttl + GRACE_SECONDS
        if size(fields["params"]) > MAX_CALL_BYTES:
            raise TooLarge
        entry: list[Any] = [task.id, now, now + seconds, seconds, self._max_tasks]
        if not await self._enter(keys=[index_key(owner)], args=entry):
            raise TooManyTasks
        if grant is not None:
            await self._enter(keys=[grant_key(grant)], args=[*entry[:-1], _NO_LIMIT])
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(record_key(task.id), mapping=cast(Any, fields))
            pipe.expire(record_key(task.id), seconds)
            pipe.set(lease_key(task.id), task.run, px=self.leases.milliseconds)
            await pipe.execute()
        # Read once the task is on record and in the index: a withdrawal finds it there or is seen here.
        # Not in that transaction, because the key is in another slot of a cluster.
        if grant is not None and await self._redis.exists(withdrawn_key(grant)):
            await self.cancel(task.id)
            return replace(task, status="cancelled")
        return task

    async def get(self, task_id: str) -> Task | None:
        """The task as Redis has it; None when there is none."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(record_key(task_id))
            pipe.exists(lease_key(task_id))
            fields, leased = await pipe.execute()
        return Task.from_fields(task_id, fields, is_leased=bool(leased)) if fields else None

    async def get_if_running(self, task_id: str, run: str) -> Task | None:
        """The task as Redis has it, if this run of it counts."""
        task = await self.get(task_id)
        return task if task is not None and task.status == "working" and task.run == run else None

    async def claim(self, task_id: str) -> str | None:
        """Take over a task whose run was lost: the name of the new run, or None if it is not lost."""
        run = new_run()
        return run if await self._call(self._claim, task_id, run, self.leases.milliseconds) else None

    def lease_of(self, task_id: str, run: str, on_lost: Callable[[], None]) -> Lease:
        """The lease of a run, which counts as long as the record names that run."""
        return Lease(lease_key(task_id), run, Fence(record_key(task_id), "run", run), on_lost)

    async def set_status_message(self, task_id: str, run: str, message: str) -> None:
        """Set the status message of a task at work."""
        if await self._call(self._set_message, task_id, run, time.time(), message):
            await self._announce(task_id, "working")

    async def complete(self, task_id: str, run: str, result: Mapping[str, Any]) -> bool:
        """End a run with its result. False when the run no longer counted: the result is dropped.

        Raises:
            TooLarge: The result is too long.
        """
        text = to_json(result)
        if size(text) > MAX_RESULT_BYTES:
            raise TooLarge
        return await self._finish(task_id, run, "completed", "result", text)

    async def fail(self, task_id: str, run: str, error: Mapping[str, Any]) -> bool:
        """End a run with the JSON-RPC error that it met."""
        return await self._finish(task_id, run, "failed", *_failure(error))

    async def ask(self, task: Task, run: str, requests: Mapping[str, Any], state: str | None) -> bool:
        """End a run with questions. No process is needed until they are answered.

        A key that the tool gives again is another request: on the wire it gets a number, for a key must
        be unique in the life of a task (SEP-2663, "Task Update Requests").
        """
        asked = list(task.asked)
        fields: list[str] = []
        for key, request in requests.items():
            wire, number = key, 1
            while wire in asked:
                number += 1
                wire = f"{key}-{number}"
            asked.append(wire)
            fields += [QUESTION + wire, to_json({"key": key, "request": request})]
        fields += ["asked", to_json(asked), "state", state or ""]
        return await self._finish(task.id, run, "input_required", *fields)

    async def answer(self, task: Task, answers: Mapping[str, Any]) -> str | None:
        """Take answers, by wire key. When they were the last, the name of the run that may now begin.

        Raises:
            TooLarge: The answers are too long.
        """
        arguments: list[Any] = []
        for wire, value in answers.items():
            question: Question | None = task.questions.get(wire)
            if question is not None:
                arguments += [wire, question.key, to_json(value)]
        if not arguments:
            return None
        if sum(map(size, arguments)) > MAX_CALL_BYTES:
            raise TooLarge
        run = new_run()
        given = [time.time(), run, self.leases.milliseconds, *arguments]
        outcome = await self._call(self._answer, task.id, *given)
        if outcome:
            await self._announce(task.id, "working" if outcome == 2 else "input_required")
        return run if outcome == 2 else None

    async def cancel(self, task_id: str) -> None:
        """End a task that has not ended as `cancelled`."""
        await self._stop(task_id, "cancelled")

    async def cancel_by_grant(self, *grants: str) -> None:
        """End the tasks of consents that were withdrawn, those that are being created included."""
        async with self._redis.pipeline(transaction=False) as pipe:  # the consents are in different slots
            for grant in grants:
                pipe.set(withdrawn_key(grant), 1, ex=self._ttl_seconds)
                pipe.zrange(grant_key(grant), 0, -1)
            answers = await pipe.execute()
        for task_ids in cast("list[list[str]]", answers[1::2]):
            for task_id in task_ids:
                await self.cancel(task_id)

    async def expire(self, task_id: str, error: Mapping[str, Any]) -> None:
        """End a task that has not ended, because its time has run out."""
        await self._stop(task_id, "failed", *_failure(error))

    async def release(self, task_id: str, run: str) -> None:
        """Give up the lease of a run that its process abandons, so that nobody waits for it to expire."""
        await self._call(self._release, task_id, run)

    def on_change(self, listener: Callable[[str, Status], None]) -> None:
        """Call `listener` with the id and status of each task that changes, in whichever process."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def subscribed(self, task_id: str) -> AsyncIterator[None]:
        """Hear of the task's changes. A wake-up may be lost: whoever waits also looks by itself."""
        place = processes_key(task_id)
        self._directory.keep(place)
        try:
            with suppress(Unavailable):
                await self._directory.ensure(place)
            yield
        finally:
            self._directory.drop(place)

    @asynccontextmanager
    async def watch(self, task_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the task changes."""
        event = asyncio.Event()
        self._watchers[task_id].add(event)
        try:
            async with self.subscribed(task_id):
                yield event
        finally:
            self._watchers[task_id].discard(event)
            if not self._watchers[task_id]:
                del self._watchers[task_id]

    async def _finish(self, task_id: str, run: str, status: Status, *fields: str) -> bool:
        if not await self._call(self._finish_run, task_id, run, time.time(), status, *fields):
            return False
        await self._announce(task_id, status)
        return True

    async def _stop(self, task_id: str, status: Status, *fields: str) -> None:
        if await self._call(self._end, task_id, time.time(), status, *fields):
            await self._announce(task_id, status)

    async def _call(self, script: AsyncScript, task_id: str, *arguments: Any) -> int:
        return int(await script(keys=[record_key(task_id), lease_key(task_id)], args=list(arguments)))

    async def _announce(self, task_id: str, status: Status) -> None:
        message = {"type": CHANGED, "task": task_id, "status": status}
        await self._directory.publish(message, processes_key(task_id))

    def _on_changed(self, message: dict[str, Any]) -> None:
        for event in self._watchers.get(message["task"], ()):
            event.set()
        for listener in self._listeners:
            listener(message["task"], message["status"])


def _failure(error: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a task that failed. Its status message says why, as SEP-2663 asks for."""
    return "error", to_json(error), "message", str(error["message"])


def new_run() -> str:
    """A name for a run: it tells a run that still counts from one that was given up."""
    return secrets.token_hex(8)
