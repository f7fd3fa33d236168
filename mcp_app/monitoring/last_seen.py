"""When people last used which client, for operators, read from Redis; and how it is forgotten.

It is synchronous, for management commands and the admin, and needs no running server.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis import Redis

from mcp_app.conf import conf
from mcp_app.coordination.connection import reaching_redis
from mcp_app.coordination.outside import only_logged
from mcp_app.exceptions import Unreadable, reading
from mcp_app.monitoring.sessions import connected
from mcp_app.protocol.personal import Person
from mcp_app.sessions import keys

_PAGE = 500
"""Keys per step of a scan."""

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""From here on, `datetime` has no dates to show, in some time zones."""


@dataclass(frozen=True)
class Use:
    """How a person last used a client.

    Attributes:
        at: When, in seconds since 1970; accurate to a minute.
        username: The user's name.
        client: The client's id.
        client_name: The name that the client chose; empty if unknown.
        revision: The protocol revision.
        software: Name and version of the client software, as it says itself; empty if it does not.
        transport: The transport.
    """

    at: int
    username: str
    client: str
    client_name: str
    revision: str
    software: str
    transport: str

    @property
    def seconds_ago(self) -> int:
        return max(0, int(time.time()) - self.at)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds_ago": self.seconds_ago}


def of_person(redis: Redis, issuer: str, subject: str) -> list[Use]:
    """What a person used, the latest first."""
    return _latest_first(_uses(_fields(redis, keys.seen(Person(issuer, subject).key))))


def of_clients(redis: Redis, clients: Iterable[str]) -> dict[str, Use]:
    """The last use of each of these clients, by anybody; without those that nobody has used."""
    wanted = list(dict.fromkeys(clients))
    with redis.pipeline(transaction=False) as pipe:
        for client in wanted:
            pipe.zrange(keys.used(client), 0, 0, desc=True)
        persons = pipe.execute(raise_on_error=False)
        latest = {client: found[0] for client, found in zip(wanted, persons, strict=True) if _is_list(found)}
        for client, person in latest.items():
            pipe.hget(keys.seen(person), client)
        texts = pipe.execute(raise_on_error=False)
    found = {}
    for client, text in zip(latest, texts, strict=True):
        if isinstance(text, str):
            found.update({use.client: use for use in _uses({client: text})})
    return found


def everything(
    redis: Redis, *, limit: int, user: str | None = None, client: str | None = None
) -> tuple[list[Use], bool]:
    """What people used, the latest first, and whether that is all.

    Args:
        limit: The maximum number. If there are more, the choice is arbitrary.
        user: Only of this user name.
        client: Only of this client, by id or name.
    """
    found: dict[tuple[str, str], Use] = {}
    for key in redis.scan_iter(match=keys.seen("*"), count=_PAGE):
        for use in _uses(_fields(redis, key)):
            if user in (None, use.username) and client in (None, use.client, use.client_name):
                if len(found) == limit:
                    return _latest_first(found.values()), False
                found[str(key), use.client] = use
    return _latest_first(found.values()), True


def forget(access: Iterable[tuple[str, str, str]]) -> None:
    """Forget the use of clients that no longer have access.

    If Redis cannot be reached, that is logged: it is forgotten after `MCP_LAST_SEEN_SECONDS`.

    Args:
        access: The client id, issuer and subject of each.
    """
    pairs = [(client, Person(issuer, subject).key) for client, issuer, subject in access]
    with (
        only_logged("uses of clients may be shown for longer: Redis unavailable at %s"),
        connected() as redis,
    ):
        for client, person in pairs:
            redis.hdel(keys.seen(person), client)
            redis.zrem(keys.used(client), person)


def forget_person(issuer: str, subject: str) -> None:
    """Forget what a person used. See `forget`."""
    with (
        only_logged("uses of clients may be shown for longer: Redis unavailable at %s"),
        connected() as redis,
    ):
        person = Person(issuer, subject).key
        clients = cast("list[str]", redis.hkeys(keys.seen(person)))
        for client in clients:
            redis.zrem(keys.used(client), person)
        redis.delete(keys.seen(person))


def forget_client(client: str) -> None:
    """Forget who used a client. See `forget`."""
    with (
        only_logged("uses of clients may be shown for longer: Redis unavailable at %s"),
        connected() as redis,
    ):
        for person in cast("list[str]", redis.zrange(keys.used(client), 0, -1)):
            redis.hdel(keys.seen(person), client)
        redis.delete(keys.used(client))


def _is_list(found: Any) -> bool:
    return isinstance(found, list) and bool(found)


def _fields(redis: Redis, key: str) -> dict[str, str]:
    """The entries of a person; none if the key has another type."""
    with suppress(Unreadable), reaching_redis:
        return cast("dict[str, str]", redis.hgetall(key))
    return {}


def _uses(fields: dict[str, str]) -> Iterator[Use]:
    """The entries that can be read and are not too old."""
    earliest = time.time() - conf.last_seen_seconds
    for client, text in fields.items():
        try:
            with reading():
                said = json.loads(text)
                names = ("username", "client_name", "revision", "software", "transport")
                texts = {name: str(said.get(name, "")) for name in names}
                use = Use(at=int(said["at"]), client=client, **texts)
        except Unreadable:
            continue
        if earliest <= use.at < _END_OF_TIME:
            yield use


def _latest_first(uses: Iterable[Use]) -> list[Use]:
    return sorted(uses, key=lambda use: use.at, reverse=True)
