"""This project as its next release might be: it adds to each kind of thing that it has in Redis.

It writes fields that this release does not know to records, registered calls, tasks, events, pending messages
and messages between processes; sends messages of an unknown type; and leaves records that this release cannot
read next to those of each new session. It is made from this release by patches, so it reads what this one
writes. Only chaos runs use it.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, cast

from everything_site.asgi import application as _application
from mcp_app.calls.registry import CallRegistry
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import Client
from mcp_app.extensions.tasks import store as tasks
from mcp_app.extensions.tasks.task import Task, to_json
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from tests.chaos.added import ADDED, IN_SCRIPTS

application = _application

_BAD_SECONDS = 120


def _patch() -> None:
    of_record, of_task, of_call = SessionRecord.to_fields, Task.to_fields, CallRegistry._to_json
    register: Any = Client.register_script
    send_all: Any = Bus.send_all
    create: Any = SessionStore.create

    def register_script(self: Client, script: str) -> Any:
        for old, new in IN_SCRIPTS.items():
            script = script.replace(old, new)
        return register(self, script)

    async def send_to_all(self: Bus, addresses: Any, message: dict[str, Any], **options: Any) -> None:
        addresses = list(addresses)
        await send_all(self, addresses, {"type": "of.the.next.release", **ADDED})
        await send_all(self, addresses, message | ADDED, **options)

    async def create_next_to_unreadable(self: SessionStore, record: SessionRecord) -> None:
        bad = secrets.token_hex(24)
        async with self._redis.pipeline(transaction=False) as pipe:
            if secrets.randbelow(2):
                pipe.hset(keys.record(bad), mapping=cast(Any, record.to_fields() | {"version": "2"}))
            else:
                pipe.rpush(keys.record(bad), b"\xff")
            pipe.expire(keys.record(bad), _BAD_SECONDS)
            pipe.zadd(keys.subscribers(), {bad: 2**40})
            pipe.zadd(keys.sessions_of(record.owner), {bad: record.created_at})
            await pipe.execute()
        await create(self, record)

    def question_with_more(value: Any) -> str:
        if isinstance(value, dict) and value.keys() == {"key", "request"}:
            value = value | ADDED
        return to_json(value)

    SessionRecord.to_fields = lambda self: of_record(self) | ADDED  # type: ignore[method-assign]
    Task.to_fields = lambda self: of_task(self) | ADDED  # type: ignore[method-assign]
    CallRegistry._to_json = (  # type: ignore[method-assign]
        lambda self, call: json.dumps(json.loads(of_call(self, call)) | ADDED)
    )
    Client.register_script = register_script  # type: ignore[method-assign]
    Bus.send_all = send_to_all  # type: ignore[method-assign]
    SessionStore.create = create_next_to_unreadable  # type: ignore[method-assign]
    vars(tasks)["to_json"] = question_with_more


_patch()
