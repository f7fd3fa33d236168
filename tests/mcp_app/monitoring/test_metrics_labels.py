"""Values of attributes: those that the server knows in advance, and one word for all others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver import MCPServer
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.monitoring import label_values as module
from mcp_app.monitoring.label_values import LabelValues
from mcp_app.monitoring.metrics import OTHER


async def shop(*names: str) -> LabelValues:
    """The values of a server with these tools."""
    server: MCPServer[Any] = MCPServer("shop")
    for name in names:
        server.add_tool(lambda: "", name=name)
    server.streamable_http_app()
    values = LabelValues()
    await values.use(server)
    return values


async def test_tools_and_methods_of_the_server_are_named() -> None:
    values = await shop("price")
    assert [values.tool("price"), values.tool("prices"), values.tool(None)] == ["price", OTHER, ""]
    assert [values.method("tools/call"), values.method("initialize")] == ["tools/call", "initialize"]
    assert [values.method("tools/steal"), values.method("")] == [OTHER, OTHER]


async def test_of_very_many_tools_only_so_many_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOOLS", 2)
    values = await shop("a", "b", "c")
    assert [values.tool(name) for name in "abc"] == ["a", "b", OTHER]


async def test_the_server_is_asked_for_its_tools_only_if_one_is_unknown() -> None:
    server: MCPServer[Any] = MCPServer("shop")
    asked: list[None] = []

    async def list_tools() -> list[Any]:
        asked.append(None)
        return []

    server.list_tools = list_tools  # type: ignore[method-assign]
    values = LabelValues()
    await values.use(server)
    await values.look_again()
    assert len(asked) == 1
    values.tool("new")
    await values.look_again()
    assert len(asked) == 2


def test_before_the_server_is_known_nothing_is() -> None:
    assert LabelValues().tool("price") == LabelValues().method("tools/call") == OTHER


@given(st.text() | st.sampled_from(sorted(KNOWN_PROTOCOL_VERSIONS)))
def test_a_revision_is_a_known_one_or_none(name: str) -> None:
    assert LabelValues.revision(name) in {"", OTHER, *KNOWN_PROTOCOL_VERSIONS}


@given(st.text() | st.integers().map(str) | st.integers(-33000, -31900).map(str))
def test_an_error_is_one_of_few(name: str) -> None:
    found = LabelValues.error_type(name)
    assert found in {OTHER, "tool_error", "cancelled", "lost"} or -32700 <= int(found) <= -32000


@pytest.mark.parametrize("name", ["tool_error", "cancelled", "lost", "-32700", "-32603", "-32042", "-32000"])
def test_the_errors_of_the_protocol_are_told_apart(name: str) -> None:
    assert LabelValues.error_type(name) == name
