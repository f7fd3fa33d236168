"""The steps about changes, of which the client is notified."""

from __future__ import annotations

from contextlib import AsyncExitStack

from mcp import Client
from mcp.client.subscriptions import Subscription
from mcp.types import (
    LoggingMessageNotification,
    ResourceLink,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
)
from person import Person
from steps import MODERN, block_of, check, refused, say, text_of


async def notes(client: Client, person: Person) -> None:
    """Notes are resources of one user."""
    say("A note, and notifications that it was created and changed")
    is_modern = client.protocol_version == MODERN
    person.forget()
    await client.list_resources(cache_mode="bypass")  # a session is notified of changes to what it has read
    async with AsyncExitStack() as streams:
        if is_modern:
            listening = await streams.enter_async_context(client.listen(resources_list_changed=True))
        created = await client.call_tool("create-note", {"title": "Tea", "text": "Buy some."})
        if is_modern:
            await _hears(listening, "ResourcesListChanged")
        else:
            check(str(await person.hears(ResourceListChangedNotification)), "list_changed")
    uri = block_of(created, ResourceLink).uri
    note = {"noteId": uri.rpartition("/")[2]}
    if is_modern:
        async with client.listen(resource_subscriptions=[uri]) as subscription:
            await client.call_tool("edit-note", {**note, "text": "Bought."})
            await _hears(subscription, "ResourceUpdated")
    else:
        await client.subscribe_resource(uri)
        await client.call_tool("edit-note", {**note, "text": "Bought."})
        check(str(await person.hears(ResourceUpdatedNotification)), uri)
        await client.unsubscribe_resource(uri)
    check(str((await client.read_resource(uri)).contents), "Bought.")
    check(text_of(await client.call_tool("delete-note", note)), "Deleted")
    await refused(client.read_resource(uri, cache_mode="bypass"))

    say("A note that takes a while: a task, if the client supports tasks")
    drafted = await client.call_tool("draft-note", {"title": "Tea", "secondsPerLine": 0.1})
    uri = block_of(drafted, ResourceLink).uri
    check(str((await client.read_resource(uri)).contents), "Line 3 about Tea.")
    await client.call_tool("delete-note", {"noteId": uri.rpartition("/")[2]})


async def _hears(subscription: Subscription, event: str) -> None:
    check(type(await anext(aiter(subscription))).__name__, event)


async def sessions_only(client: Client, person: Person) -> None:
    say("Only in revisions with sessions: ping, and a level for log messages")
    await client.send_ping()
    person.forget()
    await client.set_logging_level("debug")
    check(str(await person.hears(LoggingMessageNotification)), "Logging level set to: debug")

    say("Simulated notifications: stopped and started again")
    for name in ("toggle-simulated-logging", "toggle-subscriber-updates"):
        check(text_of(await client.call_tool(name)), "Stopped simulated")
        check(text_of(await client.call_tool(name)), "Started simulated")
