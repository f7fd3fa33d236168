"""The steps in which the server asks the client: its model, its user, its roots."""

from __future__ import annotations

from mcp import Client
from mcp.types import ElicitCompleteNotification
from person import Person
from steps import MODERN, check, refused, say, text_of

URL_ELICITATION_REQUIRED = -32042
PAGE = {"url": "https://example.com/terms"}


async def model(client: Client, person: Person) -> None:
    say("Sampling: the server asks the client's model, and offers it a tool")
    answer = await client.call_tool("sampleLLM", {"prompt": "Capital of France?"})
    check(text_of(answer), "LLM sampling result: Paris")
    answer = await client.call_tool("sample-with-tools", {"prompt": "How much is 6 x 7?"})
    check(text_of(answer), "After 2 turns")
    check([person.asked.count("sampling")], 3)


async def forms(client: Client, person: Person) -> None:
    say("Elicitation: the user fills in forms")
    check(text_of(await client.call_tool("elicitInputs")), '"name": "Alice"')
    answer = await client.call_tool("confirm_delete", {"filename": "notes.txt"})
    check(text_of(answer), "notes.txt was deleted")
    answer = await client.call_tool("simulate-research-query", {"topic": "tea", "ambiguous": True})
    check(text_of(answer), "Research report: tea (technical)")


async def pages(client: Client, person: Person) -> None:
    say("Elicitation: the user visits a page")
    person.forget()
    check(text_of(await client.call_tool("trigger-url-elicitation", PAGE)), "The user agreed to open")
    check(person.asked, PAGE["url"])
    if client.protocol_version != MODERN:
        check(str(await person.hears(ElicitCompleteNotification)), "elicitation_id")
        error = await refused(client.call_tool("trigger-url-elicitation", {**PAGE, "errorPath": True}))
        check([error.code], URL_ELICITATION_REQUIRED)


async def roots(client: Client) -> None:
    say("Roots")
    found = await client.call_tool("get-roots-list")
    check(text_of(found), "file:///home/alice/project")
    if client.protocol_version == MODERN:  # structured content that is an array
        check(found.structured_content, {"uri": "file:///home/alice/project", "name": "project"})
