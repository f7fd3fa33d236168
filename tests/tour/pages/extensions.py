"""Tasks, skills and apps."""

from __future__ import annotations

from mcp_app.extensions.skills.extension import IDENTIFIER as SKILLS
from mcp_app.extensions.tasks.declaration import IDENTIFIER as TASKS
from tests.tour.client import EVERYTHING, Modern
from tests.tour.page import feature, is_status
from tests.tour.pages.changes import new_note
from tests.tour.wire import Wire


@feature(
    "Tasks", "extension, SEP-2663", "Calls that outlive their request, and even the process that runs them."
)
async def tasks(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {**EVERYTHING, "extensions": {TASKS: {}}})
    made = await client.call(
        "If the client supports tasks, the call returns one.", "confirm_delete", {"filename": "notes.txt"}
    )
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin(
        "The client can listen for its status, or poll it.", "subscriptions/listen", wanted
    )
    asked = await stream.until(is_status("input_required"), only=True)
    (key,) = asked["params"]["inputRequests"]
    wire.learn(key, "KEY")
    answers = {key: {"action": "accept", "content": {"confirm": True}}}
    await client.request(
        "The client answers the task's question.",
        "tasks/update",
        {"taskId": task_id, "inputResponses": answers},
        task_id,
    )
    await stream.until(is_status("completed"), only=True)
    await client.request("The result can be fetched for a while.", "tasks/get", {"taskId": task_id}, task_id)
    slow = await client.call("Another task takes too long,", "slow_compute", {"seconds": 60})
    slow_id = slow["result"]["taskId"]
    wire.learn(slow_id, "SLOW-TASK-ID")
    await client.request("and is cancelled.", "tasks/cancel", {"taskId": slow_id}, slow_id)
    await client.request("It is over.", "tasks/get", {"taskId": slow_id}, slow_id)


@feature("Skills", "extension, SEP-2640", "Instructions for models, with the files that belong to them.")
async def skills(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {SKILLS: {}}})
    page = await client.request("The list of skills, in pages:", "skills/list")
    wire.learn(page["result"]["nextCursor"], "CURSOR")
    uri = "skill://try-everything/SKILL.md"
    await client.request("One skill:", "skills/get", {"uri": uri}, uri)
    await client.request("Its files are resources.", "resources/read", {"uri": uri}, uri)
    directory = {"uri": "skill://try-everything"}
    await client.request("So are its folders.", "resources/directory/read", directory, directory["uri"])


@feature("Apps", "extension, SEP-1865", "A tool with its own page, which the host shows in a frame.")
async def apps(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.call("The tool returns a result like any other.", "mcp_apps_hello_world", {})
    uri = "ui://hello-world/app.html"
    await client.request(
        "Its `_meta` in the list of tools names the page.", "resources/read", {"uri": uri}, uri
    )


@feature("A task with an effect", "extension, SEP-2663", "It creates something, so it is never run twice.")
async def a_task_with_an_effect(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {TASKS: {}}})
    arguments = {"title": "Tea", "secondsPerLine": 0.1}
    made = await client.call("A note is written, line by line.", "draft-note", arguments)
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin("The client listens for its status.", "subscriptions/listen", wanted)
    done = await stream.until(is_status("completed"), only=True)
    says = "If the process had died, the task would have failed with an error. This one has created the note."
    uri = await new_note(wire, done["params"])
    await client.request(says, "resources/read", {"uri": uri}, uri)
    await client.call("The note is deleted.", "delete-note", {"noteId": uri.rpartition("/")[2]})
