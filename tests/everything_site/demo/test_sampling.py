"""Sampling with tools: the loop between the client's model and a tool of this server."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CreateMessageResultWithTools,
    SamplingCapability,
    SamplingContextCapability,
    SamplingToolsCapability,
    TextContent,
    ToolUseContent,
)

from everything_site.demo.tools.sampling import MAX_TURNS

from .support import LEGACY, MODERN, Answers, connect, text, texts

NAME = "sample-with-tools"
WITH_TOOLS = SamplingCapability(tools=SamplingToolsCapability(), context=SamplingContextCapability())


class Model:
    """A model that makes the given calls, one per turn, and then repeats the last result."""

    def __init__(self, *calls):
        self.calls = list(calls)
        self.asked = []

    async def sample(self, context, params):
        self.asked.append(params)
        turn = len(self.asked)
        if turn <= len(self.calls):
            name, arguments = self.calls[turn - 1]
            block = ToolUseContent(type="tool_use", id=f"call-{turn}", name=name, input=arguments)
        else:
            (result,) = params.messages[-1].content
            block = TextContent(type="text", text=result.content[0].text)
        return CreateMessageResultWithTools(role="assistant", model="m", content=[block])


def connected(server, era, model):
    return connect(server, era, sampling_callback=model.sample, sampling_capabilities=WITH_TOOLS)


async def test_the_model_uses_the_tool_and_answers(server, era):
    model = Model(("multiply", {"a": 6, "b": 7}))
    async with connected(server, era, model) as client:
        result = await client.call_tool(NAME, {"prompt": "What is 6 times 7?"})
    assert text(result) == "After 2 turns the model said: 42"
    first, second = model.asked
    assert [tool.name for tool in first.tools] == ["multiply"]
    assert first.tool_choice.mode == "auto"
    assert first.include_context == "thisServer"
    assert first.messages[0].content.text == "What is 6 times 7?"
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert second.messages[2].content[0].tool_use_id == "call-1"


async def test_several_turns_are_one_conversation(server, era):
    model = Model(("multiply", {"a": 2, "b": 3}), ("multiply", {"a": 6, "b": 1.5}))
    async with connected(server, era, model) as client:
        result = await client.call_tool(NAME, {"prompt": "2 * 3 * 1.5?"})
    assert text(result) == "After 3 turns the model said: 9"
    assert len(model.asked[-1].messages) == 5


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        (94906267, 94906269, "9007199705687823"),  # more digits than a double has
        (2**64, 3, "55340232221128654848"),
        (0.1, 3, "0.30000000000000004"),
    ],
)
async def test_a_product_is_exact(server, era, a, b, product):
    model = Model(("multiply", {"a": a, "b": b}))
    async with connected(server, era, model) as client:
        result = await client.call_tool(NAME, {"prompt": "x"})
    assert text(result) == f"After 2 turns the model said: {product}"


@pytest.mark.parametrize(
    "call",
    [
        ("divide", {"a": 1, "b": 2}),
        ("multiply", {"a": "six", "b": True}),
        ("multiply", {"a": 10**400, "b": 2}),
        ("multiply", {"a": 10**400, "b": 1.5}),
        ("multiply", {"a": 1e308, "b": 1e308}),
    ],
)
async def test_an_invalid_call_is_a_failure_that_the_model_can_read(server, era, call):
    model = Model(call)
    async with connected(server, era, model) as client:
        await client.call_tool(NAME, {"prompt": "x"})
    (result,) = model.asked[-1].messages[-1].content
    assert result.is_error


async def test_a_model_that_never_finishes_is_stopped(server, era):
    model = Model(*[("multiply", {"a": 1, "b": 1})] * (MAX_TURNS + 1))
    async with connected(server, era, model) as client:
        result = await client.call_tool(NAME, {"prompt": "x"})
    assert result.is_error
    assert len(model.asked) == MAX_TURNS


async def test_a_client_whose_model_takes_no_tools_is_not_asked(server):
    async with connect(server, LEGACY, Answers()) as client:
        assert "sampling" in texts(await client.call_tool(NAME, {"prompt": "x"}))[0]
    async with connect(server, MODERN, Answers()) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(NAME, {"prompt": "x"})
    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert caught.value.data == {"requiredCapabilities": {"sampling": {"tools": {}}}}


async def test_two_calls_with_one_id_are_invalid_answers(server, era):
    class Confused(Model):
        async def sample(self, context, params):
            use = ToolUseContent(type="tool_use", id="same", name="multiply", input={"a": 1, "b": 2})
            return CreateMessageResultWithTools(role="assistant", model="m", content=[use, use])

    async with connected(server, era, Confused()) as client:
        result = await client.call_tool(NAME, {"prompt": "x"})
    assert result.is_error
    assert "same id" in texts(result)[0]
