"""Structured content, links and audio."""

import base64
import json

import pytest
from jsonschema import validate
from mcp.types import AudioContent, ResourceLink

from .support import connect, text


@pytest.mark.parametrize(
    ("city", "expected"),
    [
        ("New York", {"temperature": 33, "conditions": "Cloudy", "humidity": 82}),
        ("Chicago", {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}),
        ("Los Angeles", {"temperature": 73, "conditions": "Sunny / Clear", "humidity": 48}),
    ],
)
async def test_structured_content_fits_its_schema_and_is_there_as_text_too(server, era, city, expected):
    async with connect(server, era) as client:
        (tool,) = [
            tool for tool in (await client.list_tools()).tools if tool.name == "get-structured-content"
        ]
        result = await client.call_tool("get-structured-content", {"location": city})
    assert result.structured_content == expected
    assert json.loads(text(result)) == expected
    validate(result.structured_content, tool.output_schema)
    assert result.meta["everything-server/location"] == city


async def test_a_tool_has_an_icon_and_metadata(server, era):
    async with connect(server, era) as client:
        (tool,) = [
            tool for tool in (await client.list_tools()).tools if tool.name == "get-structured-content"
        ]
    assert tool.icons[0].src == "http://localhost:3232/static/icons/mark-64-light.png"
    assert "icons" in tool.meta["everything-server/shows"]


async def test_links_lead_to_resources_text_and_binary_in_turn(server, era):
    async with connect(server, era) as client:
        _, *links = (await client.call_tool("get-resource-links", {"count": 4})).content
        assert all(isinstance(link, ResourceLink) for link in links)
        for link in links:
            (contents,) = (await client.read_resource(link.uri)).contents
            assert contents.mime_type == link.mime_type
    assert [link.mime_type == "text/plain" for link in links] == [True, False, True, False]


async def test_a_sound_is_wav(server, era):
    async with connect(server, era) as client:
        _, sound = (await client.call_tool("get-tiny-audio")).content
    assert isinstance(sound, AudioContent)
    assert sound.mime_type == "audio/wav"
    assert base64.b64decode(sound.data).startswith(b"RIFF")
