"""When each person last used each client, and how: for operators, including clients without sessions.

A process writes what it has seen with its heartbeat, each pair at most once a minute. So a request costs a
dictionary look-up, and thousands of people cost a few writes a second. It is in Redis and not in the
database: it is no history, it expires by itself, and MCP servers may have no database.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from mcp_app.auth.tokens import WITHDRAWN, Principal, is_withdrawn_by
from mcp_app.conf import conf
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import in_portions
from mcp_app.protocol.words import shortened
from mcp_app.sessions import keys

EVERY_SECONDS = 60.0
"""How often a pair is written at most, by each process."""

_MAX_PAIRS = 10_000
"""How many pairs a process remembers to have written, and how many may wait to be written."""

_MAX_CLIENTS = 100
"""How many clients are remembered per person."""

_MAX_PERSONS = 10_000
"""How many persons are remembered per client, so that they can be found."""

# Keeps how a person has used a client, and removes what is too old, or too much. KEYS: of the person. ARGV:
# the client, the use as JSON, seconds to keep it, the earliest time that is kept, how many are.
_SEE = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
local uses, fields = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local ok, use = pcall(cjson.decode, fields[i + 1])
  local at = ok and type(use) == 'table' and tonumber(use.at) or 0
  if at < tonumber(ARGV[4]) then
    redis.call('HDEL', KEYS[1], fields[i])
  else
    uses[#uses + 1] = {at, fields[i]}
  end
end
table.sort(uses, function(a, b) return a[1] < b[1] end)
for i = 1, #uses - ARGV[5] do redis.call('HDEL', KEYS[1], uses[i][2]) end
"""

# Adds a person to those who have used a client. KEYS: of the client. ARGV: the person, the time, seconds to
# keep it, the earliest time that is kept, how many are.
_ADD_PERSON = """
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
local excess = redis.call('ZCARD', KEYS[1]) - ARGV[5]
if excess > 0 then redis.call('ZREM', KEYS[1], unpack(redis.call('ZRANGE', KEYS[1], 0, excess - 1))) end
"""


class LastSeen:
    """What this process has seen. `beat`, which writes it, is part of the heartbeat."""

    def __init__(self, redis: Redis, bus: Bus) -> None:
        self._redis = redis
        self._noted: dict[str, float] = {}
        self._waiting: dict[str, tuple[Principal, dict[str, Any]]] = {}
        self._see = redis.register_script(_SEE)
        self._add_person = redis.register_script(_ADD_PERSON)
        bus.on(WITHDRAWN, self._on_withdrawn)

    def note(self, principal: Principal, revision: str, software: Any, transport: str) -> None:
        """Note a request of this person by this client.

        Args:
            principal: The person and the client.
            revision: The protocol revision.
            software: The client's `clientInfo`, if it has sent any: the SDK's model, or a mapping.
            transport: The transport, for people.
        """
        noted, now = self._noted.get(principal.owner), time.monotonic()
        if noted is None or now - noted >= EVERY_SECONDS:
            self._note(principal, now, revision, software, transport)

    def _note(self, principal: Principal, now: float, revision: str, software: Any, transport: str) -> None:
        if not conf.last_seen_seconds or len(self._waiting) >= _MAX_PAIRS:
            return
        if len(self._noted) >= _MAX_PAIRS:
            self._noted.clear()
        self._noted[principal.owner] = now
        use = {
            "at": int(time.time()),
            "username": shortened(principal.person),
            "client_name": principal.client_name,
            "revision": revision,
            "software": _named(software),
            "transport": transport,
        }
        self._waiting[principal.owner] = principal, use

    async def beat(self) -> None:
        """Write what has been noted.

        Raises:
            Unavailable: Redis cannot be reached; it is written later.
        """
        if not self._waiting:
            return
        waiting = dict(self._waiting)
        await in_portions(self._redis, waiting.values(), self._add_use)
        await in_portions(self._redis, waiting.values(), self._add_client)
        withdrawn = [seen for owner, seen in waiting.items() if owner not in self._waiting]
        for owner, written in waiting.items():
            if self._waiting.get(owner) is written:
                del self._waiting[owner]
        if withdrawn:
            await self._forget(withdrawn)

    async def _add_use(self, pipe: Pipeline, seen: tuple[Principal, dict[str, Any]]) -> None:
        principal, use = seen
        text = json.dumps(use, separators=(",", ":"))
        await self._see(
            keys=[keys.seen(principal.person_key)],
            args=[principal.client_id, text, *_limits(_MAX_CLIENTS)],
            client=pipe,
        )

    async def _add_client(self, pipe: Pipeline, seen: tuple[Principal, dict[str, Any]]) -> None:
        principal, use = seen
        await self._add_person(
            keys=[keys.used(principal.client_id)],
            args=[principal.person_key, use["at"], *_limits(_MAX_PERSONS)],
            client=pipe,
        )

    async def _forget(self, withdrawn: Iterable[tuple[Principal, dict[str, Any]]]) -> None:
        """Erase what was withdrawn, and perhaps erased, while it was being written."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for principal, _ in withdrawn:
                pipe.hdel(keys.seen(principal.person_key), principal.client_id)
                pipe.zrem(keys.used(principal.client_id), principal.person_key)
            await pipe.execute(raise_on_error=False)

    def _on_withdrawn(self, message: dict[str, Any]) -> None:
        """Forget what was seen of a withdrawn token: it may be erased in Redis already."""
        for owner, (principal, _) in list(self._waiting.items()):
            if is_withdrawn_by(message, principal.access_token):
                del self._waiting[owner]


def _limits(most: int) -> tuple[int, int, int]:
    """For how long it is kept, since when, and how many."""
    return conf.last_seen_seconds, int(time.time()) - conf.last_seen_seconds, most


def _named(software: Any) -> str:
    """Name and version of the client software, as it says itself."""
    said = software if isinstance(software, Mapping) else vars(software) if software is not None else {}
    return " ".join(shortened(said[name]) for name in ("name", "version") if isinstance(said.get(name), str))
