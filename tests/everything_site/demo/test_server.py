"""The server as a whole: its name, its capabilities, and its behaviour without client capabilities."""

import ast
from pathlib import Path

import pytest
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.types import RequestParams
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

import everything_site.demo
import mcp_app
from everything_site.demo.mcp_apps import hello_world
from everything_site.demo.server import skills
from mcp_app.protocol.personal_bus import PersonalBus
from tests.support.engine import make_engine

from .support import Exchange, build_server, connect

PROTOCOL = Path(mcp_app.__file__).parent / "protocol"
DEMO = Path(everything_site.demo.__file__).parent
GREETING = {"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


async def test_the_server_names_itself(server, era):
    async with connect(server, era) as client:
        assert client.server_info.name == "everything-server"
        assert client.server_info.version == mcp_app.__version__
        assert client.server_info.title
        assert client.instructions


async def test_every_list_says_that_it_announces_changes(server, era):
    async with connect(server, era) as client:
        capabilities = client.server_capabilities
    assert capabilities.tools.list_changed is True
    assert capabilities.prompts.list_changed is True
    assert capabilities.resources.list_changed is True
    assert capabilities.resources.subscribe is True
    assert capabilities.logging is not None
    assert capabilities.completions is not None


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
async def test_initialize_is_answered_in_every_older_revision(server, version):
    result = await Exchange(version=version).run(
        server, "initialize", {**GREETING, "protocolVersion": version}
    )
    assert result["protocolVersion"] == version
    for name in ("tools", "prompts", "resources"):
        assert result["capabilities"][name]["listChanged"] is True
    assert result["capabilities"]["resources"]["subscribe"] is True


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
async def test_every_older_revision_is_told_of_the_extensions_that_it_can_use(version):
    class ForTheNewest(Extension):
        identifier = "example.com/newest"

        def methods(self):
            return [MethodBinding("newest/get", RequestParams, None, frozenset({"2026-07-28"}))]

    def build(engine):
        return MCPServer(
            "test", **engine.options(extensions=[ForTheNewest(), skills(), hello_world.extension()])
        )

    server = make_engine().build(build)
    result = await Exchange(version=version).run(
        server, "initialize", {**GREETING, "protocolVersion": version}
    )
    assert set(result["capabilities"]["extensions"]) == {
        "io.modelcontextprotocol/ui",
        "io.modelcontextprotocol/skills",
    }
    async with connect(server, "2026-07-28") as client:
        announced = client.server_capabilities.extensions
    assert set(announced) == {*result["capabilities"]["extensions"], "example.com/newest"}
    for identifier, settings in result["capabilities"]["extensions"].items():
        assert settings == announced[identifier]


async def test_the_apps_extension_is_announced_in_2026_07_28(server):
    async with connect(server, "2026-07-28") as client:
        assert "io.modelcontextprotocol/ui" in client.server_capabilities.extensions


async def test_fixtures_are_served_only_when_asked_for(server, era):
    async with connect(server, era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        names += [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert not [name for name in names if name.startswith("test_")]
        with pytest.raises(MCPError):
            await client.call_tool("test_simple_text")
        with pytest.raises(MCPError):
            await client.read_resource("test://static-text")


async def test_a_given_bus_carries_the_announcements():
    heard = []
    bus = PersonalBus()
    bus.subscribe(heard.append)
    server = build_server(fixtures=True, subscriptions=bus)
    await Exchange().call(server, "test_trigger_tool_change")
    assert heard == [ToolsListChanged()]


def test_two_servers_share_nothing():
    first, second = build_server(), build_server()
    assert first.session_manager.app is not second.session_manager.app
    assert first.middleware is not second.middleware


def test_the_folder_uses_no_private_attribute_of_the_sdk():
    for module in (*PROTOCOL.rglob("*.py"), *DEMO.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
                assert isinstance(node.value, ast.Name), f"{module}:{node.lineno}"
                assert node.value.id == "self", f"{module}:{node.lineno}"
