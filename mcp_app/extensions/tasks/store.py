"""The task store, in Redis. It depends neither on the protocol's methods nor on any tool."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.conf import Conf, conf
from mcp_app.coordination.connection import in_portions
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.held import HeldBytes
from mcp_app.coordination.keys import all_tasks
from mcp_app.coordination.leases import Fence, Lease, Leases
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.coordination.total import Total
from mcp_app.exceptions import Unavailable, Unreadable
from mcp_app.extensions.tasks import keys, scripts
from mcp_app.extensions.tasks.held import TASKS
from mcp_app.extensions.tasks.task import QUESTION, Status, Task, size, to_json
from mcp_app.ids import short_id
from mcp_app.protocol.personal import person_key

logger = logging.getLogger(__name__)

TASK_CHANGED = "task.changed"

GRACE_SECONDS = 60
"""How long a task can be read after it has expired, as `failed` if it had not ended."""


MAX_CALL_BYTES = 64 * 1024
"""Maximum bytes of a task's parameters, as JSON in UTF-8."""

MAX_ANSWERS_BYTES = 256 * 1024
"""Maximum bytes of all answers to a task, as JSON in UTF-8."""

MAX_RESULT_BYTES = 256 * 1024
"""Maximum bytes of what a run of a task ends with, as JSON in UTF-8: its result, an error, or questions."""

_SMALL = 4096
"""What a run ends with is stored up to this size even if its person is over `MCP_MAX_TASK_BYTES`."""

MAX_MESSAGE_LENGTH = 1000
"""Maximum characters of a status message."""

_NO_LIMIT = 2**53


class TooManyTasks(QuotaExceeded):
    """The person has the maximum number of tasks."""

    def __init__(self) -> None:
        super().__init__(
            "Too many tasks: you may have {limit}, over all clients, including those that have ended "
            "and can still be read ({setting}). Wait until earlier ones expire.",
            Conf.max_tasks,
        )


class TooLarge(Exception):
    """A value exceeds the limits of a task."""


class TaskStore:
    """Creates, reads and changes tasks."""

    def __init__(self, redis: Redis, directory: Directory, leases: Leases) -> None:
        self.leases = leases
        self._redis = redis
        self._directory = directory
        self._watchers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._on_change: list[Callable[[str, Status], None]] = []
        self._held = HeldBytes(redis, TASKS)
        self._add = redis.register_script(scripts.ADD)
        directory.bus.on(TASK_CHANGED, self._on_changed)

    async def create(
        self,
        owner: str,
        tool: str,
        params: dict[str, Any],
        *,
        grant: str | None = None,
        ttl_seconds: int | None = None,
    ) -> Task:
        """Create and store a task, already leased to its first run.

        If its consent has been withdrawn, the task is `cancelled` and must not be run.

        Args:
            owner: The principal.
            grant: The id of the consent, if known.
            ttl_seconds: Its lifetime, if not the default.

        Raises:
            TooManyTasks: The person has `MCP_MAX_TASKS`, including ended ones that can still be read.
            TasksTooLarge: Their tasks would hold more than `MCP_MAX_TASK_BYTES`.
            TooLarge: The parameters are too long.
        """
        now = time.time()
        ttl = ttl_seconds or conf.task_seconds
        task = Task(
            id=secrets.token_urlsafe(24),
            owner=owner,
            tool=tool,
            params=params,
            status="working",
            created_at=now,
            updated_at=now,
            ttl_ms=ttl * 1000,
            poll_ms=conf.task_poll_milliseconds,
            run=new_run(),
        )
        fields = task.to_fields()
        if size(fields["params"]) > MAX_CALL_BYTES:
            raise TooLarge
        async with self._held.reserve(person_key(owner), size(fields["params"])):
            return await self._create(task, fields, grant, ttl + GRACE_SECONDS)

    async def _create(self, task: Task, fields: dict[str, str], grant: str | None, seconds: int) -> Task:
        now, owner = task.created_at, task.owner
        entry: list[Any] = [task.id, now, now + seconds, seconds, conf.max_tasks]
        if not await self._add(keys=[keys.index(person_key(owner))], args=entry):
            raise TooManyTasks
        if grant is not None:
            await self._add(keys=[keys.grant(grant)], args=[*entry[:-1], _NO_LIMIT])
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.record(task.id), mapping=cast(Any, fields))
            pipe.expire(keys.record(task.id), seconds)
            pipe.set(keys.lease(task.id), task.run, px=self.leases.milliseconds)
            await pipe.execute()
        await Total(self._redis, all_tasks()).add(task.id, seconds)
        # Check after storing and indexing the task: a withdrawal either finds it in the index or is seen
        # here. Not in the same transaction: the key is in another slot of a cluster.
        if grant is not None and await self._redis.exists(keys.withdrawn(grant)):
            await self.cancel(task.id)
            return replace(task, status="cancelled")
        return task

    async def get(self, task_id: str) -> Task | None:
        """Read the task; None if it does not exist, or cannot be read."""
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hgetall(keys.record(task_id))
                pipe.exists(keys.lease(task_id))
                fields, leased = await pipe.execute()
            return Task.from_fields(task_id, fields, is_leased=bool(leased)) if fields else None
        except Unreadable as error:
            logger.warning("task cannot be read", extra={"task": short_id(task_id), "reason": str(error)})
            return None

    async def get_if_running(self, task_id: str, run: str) -> Task | None:
        """Read the task, if this run is still its current one."""
        task = await self.get(task_id)
        return task if task is not None and task.status == "working" and task.run == run else None

    async def take_over(self, task_id: str) -> Task | None:
        """Take over a task whose run was lost, for a new run; None if it is not lost."""
        run = new_run()
        is_taken = await self._call(scripts.TAKE_OVER, task_id, run, self.leases.milliseconds)
        return await self.get_if_running(task_id, run) if is_taken else None

    def lease_of(self, task: Task, on_lost: Callable[[], None]) -> Lease:
        """The lease of a run, fenced by the record's current run."""
        return Lease(keys.lease(task.id), task.run, Fence(keys.record(task.id), "run", task.run), on_lost)

    async def set_status_message(self, task: Task, message: str) -> None:
        """Set the status message of a working task."""
        given = [task.run, time.time(), message[:MAX_MESSAGE_LENGTH]]
        if await self._call(scripts.SET_MESSAGE, task.id, *given):
            await self._announce(task.id, "working")

    async def complete(self, task: Task, result: Mapping[str, Any]) -> bool:
        """End a run with its result. Returns False if the run is not the current one: the result is dropped.

        Raises:
            TooLarge: The result is too long.
            TasksTooLarge: The tasks of the person would hold more than `MCP_MAX_TASK_BYTES`.
        """
        return await self._finish(task, "completed", "result", to_json(result))

    async def fail(self, task: Task, error: Mapping[str, Any]) -> bool:
        """End a run with a JSON-RPC error; raises what `complete` does."""
        return await self._finish(task, "failed", *_failure(error))

    async def ask(self, task: Task, requests: Mapping[str, Any], state: str | None) -> bool:
        """End a run with questions. No process is needed until they are answered.

        A key that the tool uses again is a new request, and gets a number on the wire: keys must be unique
        within a task (SEP-2663, "Task Update Requests").

        Raises:
            TooLarge: The questions and the state are too long.
            TasksTooLarge: The tasks of the person would hold more than `MCP_MAX_TASK_BYTES`.
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
        return await self._finish(task, "input_required", *fields)

    async def answer(self, task: Task, answers: Mapping[str, Any]) -> str | None:
        """Store answers to its questions, by wire key. After the last one, returns the run that may start.

        Raises:
            TooLarge: The answers to the task, with earlier ones, are too long.
            TasksTooLarge: The tasks of the person would hold more than `MCP_MAX_TASK_BYTES`.
        """
        arguments: list[str] = []
        for wire, value in answers.items():
            arguments += [wire, task.questions[wire].key, to_json(value)]
        if not arguments:
            return None
        earlier = map(to_json, task.answers.values())
        if sum(map(size, [*arguments, *earlier])) > MAX_ANSWERS_BYTES:
            raise TooLarge
        run = new_run()
        given = [time.time(), run, self.leases.milliseconds, *arguments]
        async with self._held.reserve(person_key(task.owner), sum(map(size, arguments))):
            outcome = await self._call(scripts.ANSWER, task.id, *given)
        if outcome:
            await self._announce(task.id, "working" if outcome == 2 else "input_required")
        return run if outcome == 2 else None

    async def cancel(self, task_id: str) -> None:
        """End a task that has not ended as `cancelled`."""
        await self._stop(task_id, "cancelled")

    async def cancel_by_grant(self, *grants: str) -> None:
        """Cancel the tasks of withdrawn consents, including those that are being created."""
        async with self._redis.pipeline(transaction=False) as pipe:  # the consents are in different slots
            for grant in grants:
                pipe.set(keys.withdrawn(grant), 1, ex=conf.task_seconds)
                pipe.zrange(keys.grant(grant), 0, -1)
            replies = await pipe.execute()
        task_ids = {task_id for found in cast("list[list[str]]", replies[1::2]) for task_id in found}
        end, now = self._redis.register_script(scripts.END), time.time()

        async def add(pipe: Pipeline, task_id: str) -> None:
            await end(keys=[keys.record(task_id), keys.lease(task_id)], args=[now, "cancelled"], client=pipe)

        for task_id, outcome in await in_portions(self._redis, task_ids, add):
            if outcome == 1:  # otherwise it has ended, or is damaged and cannot run either
                await self._announce(task_id, "cancelled")

    async def expire(self, task_id: str, error: Mapping[str, Any]) -> None:
        """End a task that has expired, if it has not ended."""
        await self._stop(task_id, "failed", *_failure(error))

    async def release(self, task: Task) -> None:
        """Release the lease of a run, so that nobody waits for it to expire."""
        await self._call(scripts.RELEASE, task.id, task.run)

    def on_change(self, call: Callable[[str, Status], None]) -> None:
        """Call a function with the id and status of each task that changes, in any process."""
        self._on_change.append(call)

    @asynccontextmanager
    async def subscribed(self, task_id: str) -> AsyncIterator[None]:
        """Receive the task's changes. Messages may be lost, so callers also poll."""
        place = keys.processes(task_id)
        self._directory.start_renewing(place)
        try:
            with suppress(Unavailable):
                await self._directory.ensure_registered(place)
            yield
        finally:
            self._directory.stop_renewing(place)

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

    async def _finish(self, task: Task, status: Status, *fields: str) -> bool:
        total = sum(map(size, fields))
        if total > MAX_RESULT_BYTES:
            raise TooLarge
        async with self._held.reserve(person_key(task.owner), total, always=total <= _SMALL):
            ended = await self._call(scripts.FINISH_RUN, task.id, task.run, time.time(), status, *fields)
        if not ended:
            return False
        await self._announce(task.id, status)
        return True

    async def _stop(self, task_id: str, status: Status, *fields: str) -> None:
        if await self._call(scripts.END, task_id, time.time(), status, *fields):
            await self._announce(task_id, status)

    async def _call(self, script: str, task_id: str, *arguments: Any) -> int:
        names = [keys.record(task_id), keys.lease(task_id)]
        return int(await self._redis.register_script(script)(keys=names, args=list(arguments)))

    async def _announce(self, task_id: str, status: Status) -> None:
        message = {"type": TASK_CHANGED, "task": task_id, "status": status}
        await self._directory.publish(message, keys.processes(task_id))

    def _on_changed(self, message: dict[str, Any]) -> None:
        for event in self._watchers.get(message["task"], ()):
            event.set()
        for call in self._on_change:
            call(message["task"], message["status"])


def _failure(error: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a failed task. Its status message is the reason, as SEP-2663 requires."""
    return "error", to_json(error), "message", str(error["message"])[:MAX_MESSAGE_LENGTH]


def new_run() -> str:
    """An id for a run, which fences its writes."""
    return secrets.token_hex(8)
