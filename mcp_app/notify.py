"""Notify clients of changes, and wake workers, from anywhere in the project: no server needs to run.

Each function has an asynchronous version with the prefix `a`, which notifies immediately; the synchronous
ones wait until the current transaction is committed. If Redis cannot be reached, that is only logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction

from mcp_app.coordination import topics
from mcp_app.coordination.outside import connected, only_logged
from mcp_app.sdk import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_app.sessions.event_log import EventLog
from mcp_app.sessions.subscribers import SharedSubscriptionBus, Subscribers

Change = tuple[ServerEvent, str | None]
"""A change, and the key of the only person who is told of it (`Person.key`); None for everybody."""

__all__ = [
    "aprompts_changed",
    "apublish",
    "aresource_updated",
    "aresources_changed",
    "atools_changed",
    "prompts_changed",
    "publish",
    "resource_updated",
    "resources_changed",
    "tools_changed",
]


def resource_updated(uri: str, person: str | None = None, *, using: str | None = None) -> None:
    """A resource has changed; notifies its subscribers.

    Args:
        uri: The resource.
        person: The key of the only person to notify, if they subscribed (`Person.key`); None for everybody
            who did.
        using: The database whose transaction is awaited; None for the default one.
    """
    announce([(ResourceUpdated(uri=uri), person)], using)


async def aresource_updated(uri: str, person: str | None = None) -> None:
    """`resource_updated`, for coroutines."""
    await _aannounce([(ResourceUpdated(uri=uri), person)])


def resources_changed(person: str | None = None, *, using: str | None = None) -> None:
    """The list of resources has changed.

    Args:
        person: The key of the only person who sees the change (`Person.key`); None for everybody.
        using: The database whose transaction is awaited; None for the default one.
    """
    announce([(ResourcesListChanged(), person)], using)


async def aresources_changed(person: str | None = None) -> None:
    """`resources_changed`, for coroutines."""
    await _aannounce([(ResourcesListChanged(), person)])


def tools_changed(person: str | None = None) -> None:
    """The list of tools has changed.

    Args:
        person: The key of the only person who sees the change, such as one whose permissions have changed
            (`Person.key`); None for everybody.
    """
    announce([(ToolsListChanged(), person)])


async def atools_changed(person: str | None = None) -> None:
    """`tools_changed`, for coroutines."""
    await _aannounce([(ToolsListChanged(), person)])


def prompts_changed() -> None:
    """The list of prompts has changed."""
    announce([(PromptsListChanged(), None)])


async def aprompts_changed() -> None:
    """`prompts_changed`, for coroutines."""
    await _aannounce([(PromptsListChanged(), None)])


def publish(topic: str, payload: Mapping[str, Any]) -> None:
    """Wake those who listen to a topic with `Engine.bus`, in all processes that serve.

    It arrives at most once, so what must not be lost is stored elsewhere; see `server.Topics`.

    Args:
        topic: Its name, such as `orders.paid`.
        payload: What to tell them, as JSON has it; at most 64 KiB.

    Raises:
        ValueError: The payload is larger than that.
        TypeError: The payload is not JSON.
    """
    topics.encoded(payload)  # raises here, where it is wrong, and not after the commit
    _after_commit(lambda: async_to_sync(apublish)(topic, payload))


async def apublish(topic: str, payload: Mapping[str, Any]) -> None:
    """`publish`, for coroutines."""
    with only_logged("could not notify other processes: Redis unavailable at %s"):
        async with connected() as (_, directory):
            await topics.publish(directory, topic, payload)


def announce(changes: Sequence[Change], using: str | None = None) -> None:
    """Several changes at once, in this order."""
    _after_commit(lambda: async_to_sync(_aannounce)(changes), using)


def _after_commit(send: Callable[[], None], using: str | None = None) -> None:
    # Outside of a transaction `on_commit` would open a database connection first.
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(send, using, robust=True)
    else:
        send()


async def _aannounce(changes: Sequence[Change]) -> None:
    with only_logged("could not notify other processes: Redis unavailable at %s"):
        async with connected() as (redis, directory):
            bus = SharedSubscriptionBus(directory, Subscribers(redis, EventLog(redis, directory)))
            try:
                for event, person in changes:
                    await bus.publish(event, person)
            finally:
                await bus.aclose()
