"""Notify clients of changes, and wake workers, from anywhere in the project: no server needs to run.

Each function has an asynchronous version with the prefix `a`, which notifies immediately; the synchronous
ones wait until the current transaction is committed. If Redis cannot be reached, that is only logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def resource_updated(uri: str) -> None:
    """A resource has changed; notifies its subscribers."""
    _announce(ResourceUpdated(uri=uri))


async def aresource_updated(uri: str) -> None:
    """`resource_updated`, for coroutines."""
    await _aannounce(ResourceUpdated(uri=uri))


def resources_changed(person: str | None = None) -> None:
    """The list of resources has changed.

    Args:
        person: The key of the only person who sees the change (`Person.key`); None for everybody.
    """
    _announce(ResourcesListChanged(), person)


async def aresources_changed(person: str | None = None) -> None:
    """`resources_changed`, for coroutines."""
    await _aannounce(ResourcesListChanged(), person)


def tools_changed() -> None:
    """The list of tools has changed."""
    _announce(ToolsListChanged())


async def atools_changed() -> None:
    """`tools_changed`, for coroutines."""
    await _aannounce(ToolsListChanged())


def prompts_changed() -> None:
    """The list of prompts has changed."""
    _announce(PromptsListChanged())


async def aprompts_changed() -> None:
    """`prompts_changed`, for coroutines."""
    await _aannounce(PromptsListChanged())


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
    with only_logged("could not notify other processes"):
        async with connected() as (_, directory):
            await topics.publish(directory, topic, payload)


def _after_commit(send: Callable[[], None]) -> None:
    # Outside of a transaction `on_commit` would open a database connection first.
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(send, robust=True)
    else:
        send()


def _announce(event: ServerEvent, person: str | None = None) -> None:
    _after_commit(lambda: async_to_sync(_aannounce)(event, person))


async def _aannounce(event: ServerEvent, person: str | None = None) -> None:
    with only_logged("could not notify other processes"):
        async with connected() as (redis, directory):
            subscribers = Subscribers(redis, EventLog(redis, directory))
            await SharedSubscriptionBus(directory, subscribers).publish(event, person)
