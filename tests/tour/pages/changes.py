"""What a client hears without asking."""

from __future__ import annotations

from typing import Any

from tests.tour.client import LATEST, MODERN, Modern, Session
from tests.tour.page import feature, is_request, prepare
from tests.tour.wire import Message, Wire


@feature(
    "Subscriptions",
    f"to {LATEST}",
    "A client subscribes to a resource and is told when it changes. Here it is a note, which only "
    "one user can see.",
    run=prepare("tools/create-note", LATEST, title="Tea", text="Buy"),
)
async def subscriptions(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    made = await client.call(
        "A tool creates a note and returns a link to it.", "create-note", title="Tea", text="Buy"
    )
    uri = await new_note(client.wire, made)
    await client.request("The client subscribes to the note.", "resources/subscribe", {"uri": uri})
    stream = await client.listen("The client opens a GET stream for messages from the server.")
    note_id = uri.rpartition("/")[2]
    await client.call("Somebody changes the note.", "edit-note", noteId=note_id, text="Bought")
    await stream.until(
        is_request("notifications/resources/updated"), says="The stream reports that the note has changed."
    )
    await client.request("The client reads the note again.", "resources/read", {"uri": uri})
    await client.call("The note is deleted.", "delete-note", noteId=note_id)


@feature(
    "Listening",
    MODERN,
    "One request opens a stream for all the changes that a client wants to hear of. It needs no session.",
    run=prepare("session", MODERN),
)
async def listening(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    wanted: Message = {"notifications": {"resourcesListChanged": True}}
    stream = await client.begin(
        "The client says which changes it wants to hear of. The server confirms that first.",
        "subscriptions/listen",
        wanted,
    )
    await stream.until(is_request("notifications/subscriptions/acknowledged"))
    made = await client.call(
        "A tool creates a note, so the list of resources changes.",
        "create-note",
        {"title": "Tea", "text": "Buy some."},
    )
    uri = await new_note(wire, made)
    await stream.until(
        is_request("notifications/resources/list_changed"),
        says="The stream reports that the list has changed.",
    )
    note = {"noteId": uri.rpartition("/")[2]}
    wanted = {"notifications": {"resourceSubscriptions": [uri]}}
    stream = await client.begin(
        "The client opens another stream for the note itself.", "subscriptions/listen", wanted
    )
    await stream.until(is_request("notifications/subscriptions/acknowledged"))
    await client.call("Somebody changes the note.", "edit-note", {**note, "text": "Bought."})
    await stream.until(
        is_request("notifications/resources/updated"),
        says="The second stream reports that the note has changed.",
    )
    await client.call("The note is deleted.", "delete-note", note)


@feature(
    "Logging",
    f"to {LATEST}",
    "The client sets a level, and the server sends the log messages at or above it.",
    run=prepare("session", LATEST),
    deprecated=("Logging",),
)
async def logging(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request(
        "The client asks for warnings and anything more severe.", "logging/setLevel", {"level": "warning"}
    )
    stream = await client.listen("The client opens a GET stream for messages from the server.")
    await client.request("The client asks for everything.", "logging/setLevel", {"level": "debug"})
    await stream.until(
        is_request("notifications/message"), says="The first log message reports the change of the level."
    )


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
    "Log messages and updates that are made up, so that a client has something to receive.",
    run=prepare("tools/toggle-simulated-logging", LATEST),
    deprecated=("Logging",),
)
async def simulations(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    stream = await client.listen("The client opens a GET stream for messages from the server.")
    uri = {"uri": "test://static/resource/1"}
    await client.request(
        "The client subscribes to a resource. As a simulation, it changes from time to time.",
        "resources/subscribe",
        uri,
    )
    await stream.until(
        is_request("notifications/resources/updated"), says="The stream reports the first simulated update."
    )
    await client.call("A tool switches the updates off.", "toggle-subscriber-updates")
    await client.call("Another tool switches the log messages off.", "toggle-simulated-logging")
    await client.call("The same tool switches them on again.", "toggle-simulated-logging")
