"""Every prompt, its invalid arguments, and the suggestions for its arguments."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, PromptReference, ResourceTemplateReference

from .support import build_server, connect


async def test_every_prompt_and_argument_is_described(fixture_server, era):
    async with connect(fixture_server, era) as client:
        prompts = (await client.list_prompts()).prompts
    assert {"simple_prompt", "complex_prompt", "resource_prompt"} <= {prompt.name for prompt in prompts}
    for prompt in prompts:
        assert prompt.description, prompt.name
        assert all(argument.description for argument in prompt.arguments), prompt.name


async def test_the_simple_prompt_is_one_message(server, era):
    async with connect(server, era) as client:
        (message,) = (await client.get_prompt("simple_prompt")).messages
    assert message.role == "user"
    assert message.content.text == "This is a simple prompt without arguments."


async def test_the_complex_prompt_names_its_arguments_and_has_an_image(server, era):
    async with connect(server, era) as client:
        arguments = {"temperature": "0.7", "style": "formal"}
        first, second, third = (await client.get_prompt("complex_prompt", arguments)).messages
    assert first.content.text.endswith("temperature=0.7, style=formal")
    assert second.role == "assistant"
    assert third.content.mime_type == "image/png"


async def test_a_style_that_is_not_given_is_not_named(server, era):
    async with connect(server, era) as client:
        first, *_ = (await client.get_prompt("complex_prompt", {"temperature": "1"})).messages
    assert "style=" not in first.content.text
    assert "None" not in first.content.text


async def test_the_resource_prompt_embeds_what_resources_read_returns(server, era):
    async with connect(server, era) as client:
        text, embedded = (await client.get_prompt("resource_prompt", {"resourceId": "42"})).messages
        (contents,) = (await client.read_resource("test://static/resource/42")).contents
    assert "Resource 42" in text.content.text
    assert embedded.content.resource == contents


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nope", {}),
        ("complex_prompt", {}),
        ("resource_prompt", {}),
        ("resource_prompt", {"resourceId": "0"}),
        ("resource_prompt", {"resourceId": "101"}),
        ("resource_prompt", {"resourceId": "one"}),
        ("resource_prompt", {"resourceId": "²"}),
        ("simple_prompt", {"unexpected": "argument"}),
    ],
)
async def test_a_bad_request_for_a_prompt_is_invalid_params(server, era, name, arguments):
    # Specification, server/prompts, "Error Handling".
    async with connect(server, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)
    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("name", "arguments", "missing"),
    [
        ("complex_prompt", None, "`temperature` is required"),
        ("complex_prompt", {"style": "formal"}, "`temperature` is required"),
        ("resource_prompt", {}, "`resourceId` is required"),
        ("test_prompt_with_arguments", {}, "`arg1` is required; `arg2` is required"),
        ("test_prompt_with_arguments", {"arg1": "x"}, "`arg2` is required"),
    ],
)
async def test_each_missing_argument_is_named(fixture_server, era, name, arguments, missing):
    async with connect(fixture_server, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)
    assert caught.value.code == INVALID_PARAMS
    assert caught.value.message == f"Invalid prompt arguments: {missing}"


async def test_a_prompt_that_crashes_is_not_reported_as_invalid_arguments(server, era):
    from mcp.server.mcpserver.prompts import Prompt

    async def broken() -> str:
        raise ZeroDivisionError("secret")

    server = build_server()
    server.add_prompt(Prompt.from_function(broken, description="Breaks"))
    async with connect(server, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt("broken")
    assert caught.value.code != INVALID_PARAMS
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "argument", "typed", "expected"),
    [
        ("complex_prompt", "style", "", ["casual", "formal", "technical", "friendly"]),
        ("complex_prompt", "style", "f", ["formal", "friendly"]),
        ("complex_prompt", "temperature", "0", ["0", "0.5", "0.7"]),
        ("complex_prompt", "temperature", "1", ["1.0"]),
        ("resource_prompt", "resourceId", "100", ["100"]),
        ("complex_prompt", "style", "z", []),
        ("complex_prompt", "other", "", []),
        ("simple_prompt", "none", "", []),
    ],
)
async def test_arguments_are_completed(server, era, prompt, argument, typed, expected):
    async with connect(server, era) as client:
        result = await client.complete(
            PromptReference(type="ref/prompt", name=prompt), {"name": argument, "value": typed}
        )
    assert result.completion.values == expected
    assert result.completion.total == len(expected)


async def test_the_template_is_completed_to_existing_resources(server, era):
    ref = ResourceTemplateReference(type="ref/resource", uri="test://static/resource/{id}")
    async with connect(server, era) as client:
        result = await client.complete(ref, {"name": "id", "value": "9"})
    assert result.completion.values == ["9", *(f"9{i}" for i in range(10))]


@pytest.mark.parametrize(
    "ref",
    [
        PromptReference(type="ref/prompt", name="nope"),
        ResourceTemplateReference(type="ref/resource", uri="test://nope/{id}"),
    ],
)
async def test_completing_for_something_that_does_not_exist_is_invalid_params(server, era, ref):
    async with connect(server, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.complete(ref, {"name": "id", "value": ""})
    assert caught.value.code == INVALID_PARAMS
