"""The steps about extensions: skills and tasks (2026-07-28), and apps."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from mcp import Client
from mcp.types import Request, Result
from person import Person
from steps import WAIT, check, refused, say, text_of

SKILL = "skill://try-everything/SKILL.md"
PAGE = "ui://hello-world/app.html"


class ListSkills(Request[dict[str, Any], Literal["skills/list"]]):
    method: Literal["skills/list"] = "skills/list"


class SkillList(Result):
    skills: list[dict[str, Any]]


class GetSkill(Request[dict[str, Any], Literal["skills/get"]]):
    method: Literal["skills/get"] = "skills/get"
    name_param = "uri"


class Skill(Result):
    skill: dict[str, Any]


class ReadDirectory(Request[dict[str, Any], Literal["resources/directory/read"]]):
    method: Literal["resources/directory/read"] = "resources/directory/read"
    name_param = "uri"


class Directory(Result):
    resources: list[dict[str, Any]]


async def skills(client: Client) -> None:
    say("Skills: list and fetch them, and read their files and folders")
    listed = await client.session.send_request(ListSkills(params={}), SkillList)
    check(str(listed.skills), "try-everything")
    got = await client.session.send_request(GetSkill(params={"uri": SKILL}), Skill)
    check(str(got.skill), SKILL)
    check(str((await client.read_resource(SKILL)).contents), "name: try-everything")
    folder = SKILL.rpartition("/")[0]
    found = await client.session.send_request(ReadDirectory(params={"uri": folder}), Directory)
    check(str(found.resources), f"{folder}/references")


async def tasks(client: Client, person: Person) -> None:
    say("Tasks: the calls above that became tasks were followed to their end, including their questions")
    check([len(person.tasks.followed) >= 3], True)
    slow = await client.call_tool("slow_compute", {"seconds": 1, "label": "tea"})
    check(text_of(slow), "tea: computed for 1 second.")

    say("Cancelling a task")
    person.tasks.began.clear()
    call = asyncio.create_task(client.call_tool("slow_compute", {"seconds": 60}))
    await asyncio.wait_for(person.tasks.began.wait(), WAIT)
    await person.tasks.cancel(client.session, person.tasks.followed[-1])
    check(str(await refused(call)), "The task was cancelled.")


async def apps(client: Client) -> None:
    say("An app: a tool with a page that the host shows")
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    check(str(tools["mcp_apps_hello_world"].meta), PAGE)
    check(text_of(await client.call_tool("mcp_apps_hello_world")), "MCP Apps")
    check(str((await client.read_resource(PAGE)).contents), "<html")
