"""Notify clients of changes, from anywhere in the project: no server needs to run.

Each function has an asynchronous version with the prefix `a`, which notifies immediately; the synchronous
ones wait until the current transaction is committed. If Redis cannot be reached, that is only logged.
"""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.db import transaction

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
    _after_commit(ResourceUpdated(uri=uri))


async def aresource_updated(uri: str) -> None:
    """`resource_updated`, for coroutines."""
    await _apublish(ResourceUpdated(uri=uri))


def resources_changed(person: str | None = None) -> None:
    """The list of resources has changed.

    Args:
        person: The key of the only person who sees the change (`Person.key`); None for everybody.
    """
    _after_commit(ResourcesListChanged(), person)


async def aresources_changed(person: str | None = None) -> None:
    """`resources_changed`, for coroutines."""
    await _apublish(ResourcesListChanged(), person)


def tools_changed() -> None:
    """The list of tools has changed."""
    _after_commit(ToolsListChanged())


async def atools_changed() -> None:
    """`tools_changed`, for coroutines."""
    await _apublish(ToolsListChanged())


def prompts_changed() -> None:
    """The list of prompts has changed."""
    _after_commit(PromptsListChanged())


async def aprompts_changed() -> None:
    """`prompts_changed`, for coroutines."""
    await _apublish(PromptsListChanged())


def _after_commit(event: ServerEvent, person: str | None = None) -> None:
    def send() -> None:
        async_to_sync(_apublish)(event, person)

    # Outside of a transaction `on_commit` would open a database connection first.
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(send)
    else:
        send()


async def _apublish(event: ServerEvent, person: str | None = None) -> None:
    with only_logged("could not notify other processes"):
        async with connected() as (redis, directory):
            subscribers = Subscribers(redis, EventLog(redis, directory))
            await SharedSubscriptionBus(directory, subscribers).publish(event, person)
