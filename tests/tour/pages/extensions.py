"""Tasks, skills and apps."""

from __future__ import annotations

from mcp_app.extensions.skills.extension import IDENTIFIER as SKILLS
from mcp_app.extensions.tasks.declaration import IDENTIFIER as TASKS
from tests.tour.client import EVERYTHING, Modern
from tests.tour.page import feature, is_status
from tests.tour.pages.changes import new_note
from tests.tour.wire import Wire


@feature("Tasks", "extension, SEP-2663", "A call that outlives its request, and the process that runs it.")
async def tasks(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {**EVERYTHING, "extensions": {TASKS: {}}})
    made = await client.call(
        "To a client that knows tasks the call answers with one.", "confirm_delete", {"filename": "notes.txt"}
    )
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin(
        "The client may listen, or look now and then.", "subscriptions/listen", wanted
    )
    asked = await stream.until(is_status("input_required"), only=True)
    (key,) = asked["params"]["inputRequests"]
    wire.learn(key, "KEY")
    answers = {key: {"action": "accept", "content": {"confirm": True}}}
    await client.request(
        "It answers the task's question.",
        "tasks/update",
        {"taskId": task_id, "inputResponses": answers},
        task_id,
    )
    await stream.until(is_status("completed"), only=True)
    await client.request("The result stays for a while.", "tasks/get", {"taskId": task_id}, task_id)
    slow = await client.call("Another one takes too long,", "slow_compute", {"seconds": 60})
    slow_id = slow["result"]["taskId"]
    wire.learn(slow_id, "SLOW-TASK-ID")
    await client.request("and is cancelled.", "tasks/cancel", {"taskId": slow_id}, slow_id)
    await client.request("It ends there.", "tasks/get", {"taskId": slow_id}, slow_id)


@feature("Skills", "extension, SEP-2640", "Instructions for models, with the files that belong to them.")
async def skills(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {SKILLS: {}}})
    page = await client.request("What there is, in pages:", "skills/list")
    wire.learn(page["result"]["nextCursor"], "CURSOR")
    uri = "skill://try-everything/SKILL.md"
    await client.request("One of them:", "skills/get", {"uri": uri}, uri)
    await client.request("Its files are resources.", "resources/read", {"uri": uri}, uri)
    directory = {"uri": "skill://try-everything"}
    await client.request("And so are its folders.", "resources/directory/read", directory, directory["uri"])


@feature("Apps", "extension, SEP-1865", "A tool with a page of its own, which the host shows in a frame.")
async def apps(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.call("The tool answers as any other.", "mcp_apps_hello_world", {})
    uri = "ui://hello-world/app.html"
    await client.request(
        "Its `_meta` in the list of tools names the page.", "resources/read", {"uri": uri}, uri
    )


@feature("A task with an effect", "extension, SEP-2663", "It makes something, and so is never run twice.")
async def a_task_with_an_effect(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {TASKS: {}}})
    arguments = {"title": "Tea", "secondsPerLine": 0.1}
    made = await client.call("A note is written, line by line.", "draft-note", arguments)
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin("The client listens.", "subscriptions/listen", wanted)
    done = await stream.until(is_status("completed"), only=True)
    says = "Were the process to die meanwhile, the task would fail and say so. This one has made the note."
    uri = await new_note(wire, done["params"])
    await client.request(says, "resources/read", {"uri": uri}, uri)
    await client.call("It goes again.", "delete-note", {"noteId": uri.rpartition("/")[2]})
