"""Tasks, skills and apps."""

from __future__ import annotations

from mcp_app.extensions.skills.extension import IDENTIFIER as SKILLS
from mcp_app.extensions.tasks.declaration import IDENTIFIER as TASKS
from tests.tour.client import EVERYTHING, MODERN, Modern
from tests.tour.page import feature, is_status, prepare
from tests.tour.pages.changes import new_note
from tests.tour.wire import Wire


@feature(
    "Tasks",
    "extension, SEP-2663",
    "A task is a call that outlives its request, and even the process that runs it.",
    run=prepare("tools/confirm_delete", MODERN, filename="notes.txt"),
)
async def tasks(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {**EVERYTHING, "extensions": {TASKS: {}}})
    made = await client.call(
        "The client says that it supports tasks, so the call returns a task at once instead of a result.",
        "confirm_delete",
        {"filename": "notes.txt"},
    )
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin(
        "The client listens for the status of the task. It could also poll with `tasks/get`.",
        "subscriptions/listen",
        wanted,
    )
    asked = await stream.until(is_status("input_required"), only=True)
    (key,) = asked["params"]["inputRequests"]
    wire.learn(key, "KEY")
    answers = {key: {"action": "accept", "content": {"confirm": True}}}
    await client.request(
        "The task asks for confirmation, and the client answers.",
        "tasks/update",
        {"taskId": task_id, "inputResponses": answers},
        task_id,
    )
    await stream.until(
        is_status("completed"),
        says="The stream reports that the task is completed, with its result.",
        only=True,
    )
    await client.request(
        "The client can fetch the result for a while.", "tasks/get", {"taskId": task_id}, task_id
    )
    slow = await client.call("A second task takes too long.", "slow_compute", {"seconds": 60})
    slow_id = slow["result"]["taskId"]
    wire.learn(slow_id, "SLOW-TASK-ID")
    await client.request("The client cancels it.", "tasks/cancel", {"taskId": slow_id}, slow_id)
    await client.request(
        "The status of the task is now `cancelled`.", "tasks/get", {"taskId": slow_id}, slow_id
    )


@feature(
    "Skills",
    "extension, SEP-2640",
    "A skill is a set of instructions for models, with the files that belong to it.",
    run=prepare("skills/skill://try-everything/SKILL.md", MODERN),
)
async def skills(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {SKILLS: {}}})
    page = await client.request("The client lists the skills, which come in pages.", "skills/list")
    wire.learn(page["result"]["nextCursor"], "CURSOR")
    uri = "skill://try-everything/SKILL.md"
    await client.request("The client gets the entry of one skill.", "skills/get", {"uri": uri}, uri)
    await client.request("The files of a skill are resources.", "resources/read", {"uri": uri}, uri)
    directory = {"uri": "skill://try-everything"}
    await client.request(
        "A folder of a skill can be listed.", "resources/directory/read", directory, directory["uri"]
    )


@feature(
    "Apps",
    "extension, SEP-1865",
    "An app is a tool with a page of its own, which the host shows in a frame.",
    run=prepare("tools/mcp_apps_hello_world", MODERN),
)
async def apps(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.call("The tool returns a result as any other tool does.", "mcp_apps_hello_world", {})
    uri = "ui://hello-world/app.html"
    await client.request(
        "The `_meta` of the tool names a page. The client reads it as a resource and shows it in a frame.",
        "resources/read",
        {"uri": uri},
        uri,
    )


@feature(
    "A task with an effect",
    "extension, SEP-2663",
    "This task creates something, so the server never runs it twice.",
    run=prepare("tools/draft-note", MODERN, title="Tea", secondsPerLine=1),
)
async def a_task_with_an_effect(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {TASKS: {}}})
    arguments = {"title": "Tea", "secondsPerLine": 0.1}
    made = await client.call("The task writes a note, line by line.", "draft-note", arguments)
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin(
        "The client listens for the status of the task.", "subscriptions/listen", wanted
    )
    done = await stream.until(is_status("completed"), only=True)
    says = (
        "The task has created the note. If its process had died on the way, the task would have failed with "
        "a reason instead of running again."
    )
    uri = await new_note(wire, done["params"])
    await client.request(says, "resources/read", {"uri": uri}, uri)
    await client.call("The note is deleted.", "delete-note", {"noteId": uri.rpartition("/")[2]})
