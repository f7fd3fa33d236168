"""The names of the tools: in lists, and those that they also answer to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError

from everything_site.demo import server as demo
from everything_site.demo.names import ELSEWHERE
from mcp_app.runtime import Runtime

from .support import LEGACY, MODERN, connect, text

ONE_STYLE = re.compile(r"[a-z]+(-[a-z]+)*")
SHOWS_CONTENT = {
    "getTinyImage",
    "annotatedMessage",
    "getResourceReference",
    "get-resource-links",
    "get-tiny-audio",
}
"""Tools that return content blocks and no value."""


@pytest.fixture
def in_one_style(settings: Any) -> MCPServer[Any]:
    settings.TOOL_NAMES = "kebab-case"
    return Runtime().server


async def names(server: MCPServer[Any], era: Any = LEGACY) -> set[str]:
    async with connect(server, era) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_all_listed_names_are_of_one_style_where_directories_want_it(
    in_one_style: MCPServer[Any],
) -> None:
    listed = await names(in_one_style)
    assert {name for name in listed if not ONE_STYLE.fullmatch(name)} == set()
    assert set(ELSEWHERE.values()) <= listed


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_a_tool_answers_to_its_name_in_the_reference_server(
    in_one_style: MCPServer[Any], era: Any
) -> None:
    async with connect(in_one_style, era) as client:
        for name in ("getTinyImage", "get-tiny-image"):
            assert not (await client.call_tool(name)).is_error


async def test_an_earlier_name_is_in_no_list_and_still_answers() -> None:
    server = Runtime().server
    assert "getTinyAudio" not in await names(server)
    async with connect(server, LEGACY) as client:
        assert text(await client.call_tool("getTinyAudio")) == "This is a tiny sound:"


async def test_other_names_can_be_turned_off(settings: Any) -> None:
    settings.TOOL_ALIASES = False
    async with connect(Runtime().server, LEGACY) as client:
        with pytest.raises(MCPError, match="Unknown tool: getTinyAudio"):
            await client.call_tool("getTinyAudio")


def test_tools_that_can_become_tasks_do_so_by_each_of_their_names(settings: Any) -> None:
    settings.TOOL_NAMES = "kebab-case"
    assert {"slow_compute", "slow-compute", "draft-note"} <= demo.task_tools().keys()


async def test_the_instructions_name_tools_as_they_are_listed(in_one_style: MCPServer[Any]) -> None:
    assert "long-running-operation" in (in_one_style.instructions or "")
    assert "longRunningOperation" not in (in_one_style.instructions or "")


async def test_every_tool_that_returns_a_value_has_a_schema_of_it() -> None:
    for tool in await Runtime().server.list_tools():
        if tool.name in {*SHOWS_CONTENT, "getTinyAudio"}:
            assert tool.output_schema is None, tool.name
        else:
            assert tool.output_schema is not None, tool.name
            Draft202012Validator.check_schema(tool.output_schema)


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("echo", {"message": "hello"}, {"message": "hello"}),
        ("add", {"a": 2, "b": 40}, {"sum": 42}),
        ("add", {"a": 2**62, "b": 2**62}, {"sum": 2**63}),
        ("longRunningOperation", {"duration": 0, "steps": 2}, {"duration": 0, "steps": 2}),
        ("slow_compute", {"seconds": 0, "label": "quick"}, {"label": "quick", "seconds": 0}),
    ],
)
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_the_value_of_a_result_matches_its_schema(
    era: Any, tool: str, arguments: dict[str, Any], value: dict[str, Any]
) -> None:
    async with connect(Runtime().server, era) as client:
        schemas = {one.name: one.output_schema for one in (await client.list_tools()).tools}
        result = await client.call_tool(tool, arguments)
    assert result.structured_content == value
    assert list(Draft202012Validator(schemas[tool]).iter_errors(result.structured_content)) == []
