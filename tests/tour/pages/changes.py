"""What a client hears without asking."""

from __future__ import annotations

from typing import Any

from tests.tour.client import LATEST, MODERN, Modern, Session
from tests.tour.page import feature, is_request
from tests.tour.wire import Message, Wire


@feature(
    "Subscriptions", f"to {LATEST}", "Notes are resources of one user; subscribers are notified of changes."
)
async def subscriptions(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    uri = await new_note(
        client.wire, await client.call("A tool creates a note.", "create-note", title="Tea", text="Buy")
    )
    await client.request("The client subscribes to it,", "resources/subscribe", {"uri": uri})
    stream = await client.listen("and opens a stream for messages from the server.")
    note_id = uri.rpartition("/")[2]
    await client.call("The note changes.", "edit-note", noteId=note_id, text="Bought")
    await stream.until(is_request("notifications/resources/updated"))
    await client.request("The client reads it again.", "resources/read", {"uri": uri})
    await client.call("The note is deleted.", "delete-note", noteId=note_id)


@feature("Listening", MODERN, "One stream for all the changes that a client wants to know about.")
async def listening(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    wanted: Message = {"notifications": {"resourcesListChanged": True}}
    stream = await client.begin(
        "The client says which changes it wants to know about.", "subscriptions/listen", wanted
    )
    await stream.until(is_request("notifications/subscriptions/acknowledged"))
    made = await client.call("Something changes.", "create-note", {"title": "Tea", "text": "Buy some."})
    uri = await new_note(wire, made)
    await stream.until(is_request("notifications/resources/list_changed"))
    note = {"noteId": uri.rpartition("/")[2]}
    wanted = {"notifications": {"resourceSubscriptions": [uri]}}
    stream = await client.begin("Another stream, for the note itself.", "subscriptions/listen", wanted)
    await stream.until(is_request("notifications/subscriptions/acknowledged"))
    await client.call("The note changes.", "edit-note", {**note, "text": "Bought."})
    await stream.until(is_request("notifications/resources/updated"))
    await client.call("The note is deleted.", "delete-note", note)


@feature(
    "Logging",
    f"to {LATEST}",
    "The server sends log messages at or above the level that the client sets.",
    deprecated=("Logging",),
)
async def logging(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("From now on, only warnings and worse.", "logging/setLevel", {"level": "warning"})
    stream = await client.listen("A stream on which to receive messages.")
    await client.request(
        "Now everything; the first message reports this change.", "logging/setLevel", {"level": "debug"}
    )
    await stream.until(is_request("notifications/message"))


async def new_note(wire: Wire, answer: Any) -> str:
    (uri,) = (block["uri"] for block in answer["result"]["content"] if block["type"] == "resource_link")
    scheme, _, path = uri.partition("://")
    space, _, note_id = path.partition("/")
    wire.learn(note_id, "NOTE-ID")
    wire.learn(space, "SPACE")
    assert scheme == "note"
    return uri


@feature(
    "Simulations",
    f"to {LATEST}",
    "Simulated messages and updates, so that a client has something to receive.",
    deprecated=("Logging",),
)
async def simulations(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    stream = await client.listen("A stream on which to receive messages.")
    uri = {"uri": "test://static/resource/1"}
    await client.request(
        "The client subscribes to a resource, which then changes from time to time.",
        "resources/subscribe",
        uri,
    )
    await stream.until(is_request("notifications/resources/updated"))
    await client.call("The updates are stopped,", "toggle-subscriber-updates")
    await client.call("and so are the log messages.", "toggle-simulated-logging")
    await client.call("Both can be started again.", "toggle-simulated-logging")
