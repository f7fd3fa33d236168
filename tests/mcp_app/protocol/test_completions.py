"""Completions: those added to a server's own."""

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, Completion, PromptReference, ResourceTemplateReference

from mcp_app.protocol.completions import matching
from tests.support.engine import make_engine
from tests.support.in_memory import connect


def suggesting(engine):
    server = MCPServer("suggesting", **engine.options())

    @server.prompt()
    async def greet(name: str) -> str:
        """Greets"""
        return name

    @server.completion()
    async def complete(ref, argument, context):
        return Completion(values=[str(number) for number in range(150)])

    return server


def test_no_answer_has_more_than_a_hundred_values():
    result = matching((str(number) for number in range(150)), "")
    assert (len(result.values), result.total, result.has_more) == (100, 150, True)


async def test_a_servers_own_completion_is_bounded(era):
    async with connect(make_engine().build(suggesting), era) as client:
        result = await client.complete(PromptReference(name="greet"), {"name": "name", "value": ""})
    assert (len(result.completion.values), result.completion.total) == (100, 150)


@pytest.mark.parametrize(
    "ref",
    [PromptReference(name="nobody"), ResourceTemplateReference(uri="nope://{x}")],
    ids=["prompt", "template"],
)
async def test_unknown_values_are_refused(era, ref):
    async with connect(make_engine().build(suggesting), era) as client:
        with pytest.raises(MCPError) as caught:
            await client.complete(ref, {"name": "name", "value": ""})
    assert caught.value.code == INVALID_PARAMS


async def test_a_server_that_suggests_nothing_does_not_say_that_it_does(server, era):
    async with connect(server, era) as client:
        assert client.server_capabilities.completions is None
