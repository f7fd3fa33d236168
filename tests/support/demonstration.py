"""The demonstration, for tests that build a server for each process that they play.

Deriving tools and prompts from functions is nearly all of what building a server costs, so it is done once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool

from everything_site.demo import fixtures, messages, prompts, tools
from everything_site.demo.server import NAME, SKILLS, task_tools
from mcp_app import __version__
from mcp_app.extensions.skills.extension import Skills
from mcp_app.extensions.skills.skill import Skill, load_skills
from mcp_app.extensions.tasks.extension import Tasks
from mcp_app.server import Engine, ToolServer


class Collector(MCPServer[Any]):
    """Keeps what is registered, for the constructors of other servers."""

    def __init__(self) -> None:
        super().__init__("collector")
        self.tools: list[Tool] = []
        self.prompts: list[Prompt] = []

    def add_tool(self, fn: Callable[..., Any], *args: Any, **options: Any) -> None:
        self.tools.append(Tool.from_function(fn, *args, **options))

    def add_prompt(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)


@functools.cache
def collected() -> Collector:
    """The tools and prompts that keep nothing, and the fixtures of the conformance suite."""
    collector = Collector()
    for module in (tools, prompts, fixtures):
        module.register(collector)
    collector.tools += fixtures.schema_tools()
    return collector


@functools.cache
def loaded_skills() -> list[Skill]:
    return load_skills(SKILLS)


def build(engine: Engine) -> MCPServer[Any]:
    """A server with these, the resources of the fixtures, skills and tasks, for `MCP_SERVER`."""
    server = ToolServer(
        NAME,
        version=__version__,
        tools=collected().tools,
        **engine.options(extensions=[Skills(loaded_skills()), Tasks(task_tools(with_fixtures=True))]),
    )
    for prompt in collected().prompts:
        server.add_prompt(prompt)
    fixtures.resources.register(server)
    engine.add_middleware(messages.announce_level, "logging/setLevel")
    return server
