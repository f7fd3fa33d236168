"""How tools differ between revisions: structured content, whether they are listed, and types of content."""

import json
import re

import pytest
from jsonschema import validate
from mcp.types.version import KNOWN_PROTOCOL_VERSIONS

from tests.e2e.tools import listed_at

from .support import LEGACY, MODERN, Answers, Exchange, build_server, connect, text

META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
ROOTS = ("file:///home/alice/project", "file:///home/alice/notes")


async def roots_tool(client):
    (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "get-roots-list"]
    return tool


@pytest.mark.parametrize("roots", [ROOTS, ()])
async def test_structured_content_can_be_an_array(server, roots):
    async with connect(server, MODERN, Answers(roots=roots)) as client:
        tool = await roots_tool(client)
        result = await client.call_tool("get-roots-list")
    assert tool.output_schema["type"] == "array"
    assert result.structured_content == [{"uri": uri} for uri in roots]
    validate(result.structured_content, tool.output_schema)


async def test_up_to_2025_11_25_such_a_tool_returns_only_text(server):
    async with connect(server, LEGACY, Answers(roots=ROOTS)) as client:
        tool = await roots_tool(client)
        result = await client.call_tool("get-roots-list")
    assert tool.output_schema is None
    assert result.structured_content is None
    assert text(result).splitlines()[1:] == list(ROOTS)


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_an_object_is_structured_content_in_earlier_revisions_as_well(server, version):
    exchange = Exchange(version=version)
    params = {"name": "get-structured-content", "arguments": {"location": "Chicago"}}
    result = await exchange.run(server, "tools/call", params)
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


async def test_tools_are_listed_in_the_same_order_each_time(server, era):
    # Specification 2026-07-28, server/tools: a stable order keeps clients' caches warm.
    async with connect(server, era) as client:
        first, again = [
            [tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools] for _ in range(2)
        ]
    async with connect(build_server(), era) as client:
        of_another_process = [tool.name for tool in (await client.list_tools()).tools]
    assert first == again == of_another_process


@pytest.mark.parametrize("revision", KNOWN_PROTOCOL_VERSIONS)
async def test_a_tool_is_not_listed_in_revisions_in_which_it_cannot_work(fixture_server, revision):
    listed = await Exchange(version=revision).run(fixture_server, "tools/list", {"_meta": META})
    names = {tool["name"] for tool in listed["tools"]}
    assert names == listed_at(revision)
    assert ("toggle-simulated-logging" in names) is (revision < MODERN)
    assert ("test_input_required_result_multi_round" in names) is (revision >= MODERN)
    assert ("elicitInputs" in names) is (revision >= "2025-06-18")


@pytest.mark.parametrize(
    ("revision", "links", "sounds"),
    [
        ("2024-11-05", "text", "resource"),
        ("2025-03-26", "text", "audio"),
        ("2025-06-18", "resource_link", "audio"),
        ("2025-11-25", "resource_link", "audio"),
        (MODERN, "resource_link", "audio"),
    ],
)
async def test_links_and_audio_are_sent_in_content_that_the_revision_has(
    fixture_server, revision, links, sounds
):
    async def of_tool(name):
        result = await Exchange(version=revision).run(
            fixture_server, "tools/call", {"name": name, "arguments": {}, "_meta": META}
        )
        return [block["type"] for block in result["content"]]

    assert await of_tool("get-resource-links") == ["text", *[links] * 3]
    assert (await of_tool("get-tiny-audio"))[1] == sounds
    assert await of_tool("test_audio_content") == [sounds]
    prompt = await Exchange(version=revision).run(
        fixture_server, "prompts/get", {"name": "media_prompt", "_meta": META}
    )
    assert [message["content"]["type"] for message in prompt["messages"]] == ["text", sounds, links]


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("toggle-subscriber-updates", MODERN),
        ("elicitInputs", "2025-03-26"),
        ("trigger-url-elicitation", "2025-06-18"),
        ("test_input_required_result_multi_round", "2025-11-25"),
    ],
)
async def test_a_call_of_it_says_why(fixture_server, name, revision):
    params = {"name": name, "arguments": {}, "_meta": META}
    result = await Exchange(version=revision).run(fixture_server, "tools/call", params)
    assert result["isError"]
    assert re.search("session|revision", result["content"][0]["text"])
