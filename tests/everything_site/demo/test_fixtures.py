"""Each fixture tool of the conformance suite does what its scenario expects."""

import base64
import json

import pytest
from mcp.server.subscriptions import PromptsListChanged
from mcp.shared.exceptions import MCPError
from mcp.types import (
    LOG_LEVEL_META_KEY,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    ElicitationCapability,
    ElicitResult,
    PromptReference,
)

from everything_site.demo.images import tiny_png, tiny_wav

from .support import LEGACY, MODERN, Answers, Exchange, connect, text, texts

CAN_ELICIT = ClientCapabilities(elicitation=ElicitationCapability())


async def test_simple_text(fixture_server):
    result = await Exchange().run(fixture_server, "tools/call", {"name": "test_simple_text"})
    assert result == {
        "content": [{"type": "text", "text": "This is a simple text response for testing."}],
        "isError": False,
    }


async def test_image_and_audio(fixture_server, era):
    async with connect(fixture_server, era) as client:
        (image,) = (await client.call_tool("test_image_content")).content
        (audio,) = (await client.call_tool("test_audio_content")).content
    assert (image.type, image.mime_type) == ("image", "image/png")
    assert base64.b64decode(image.data) == tiny_png()
    assert (audio.type, audio.mime_type) == ("audio", "audio/wav")
    assert base64.b64decode(audio.data) == tiny_wav()


async def test_embedded_resource(fixture_server, era):
    async with connect(fixture_server, era) as client:
        (embedded,) = (await client.call_tool("test_embedded_resource")).content
    assert embedded.resource.uri == "test://embedded-resource"
    assert embedded.resource.mime_type == "text/plain"
    assert embedded.resource.text == "This is an embedded resource content."


async def test_multiple_content_types(fixture_server, era):
    async with connect(fixture_server, era) as client:
        words, image, embedded = (await client.call_tool("test_multiple_content_types")).content
    assert words.text == "Multiple content types test:"
    assert image.mime_type == "image/png"
    assert embedded.resource.uri == "test://mixed-content-resource"
    assert embedded.resource.mime_type == "application/json"
    assert embedded.resource.text == '{"test":"data","value":123}'


async def test_error_handling(fixture_server, era):
    async with connect(fixture_server, era) as client:
        result = await client.call_tool("test_error_handling")
    assert result.is_error
    assert texts(result) == ["This tool intentionally returns an error for testing"]


async def test_logging_sends_three_messages_on_the_stream_of_the_call(fixture_server):
    exchange = Exchange()
    await exchange.run(fixture_server, "tools/call", {"name": "test_tool_with_logging"})
    assert exchange.standalone == []
    assert [(method, params["level"], params["data"]) for method, params in exchange.own] == [
        ("notifications/message", "info", "Tool execution started"),
        ("notifications/message", "info", "Tool processing data"),
        ("notifications/message", "info", "Tool execution completed"),
    ]


async def test_progress_has_three_steps_of_a_hundred(fixture_server, era):
    heard = []

    async def on_progress(progress, total, message):
        heard.append((progress, total))

    async with connect(fixture_server, era) as client:
        await client.call_tool("test_tool_with_progress", progress_callback=on_progress)
    assert heard == [(0, 100), (50, 100), (100, 100)]


async def test_sampling(fixture_server, era):
    answers = Answers(text="4")
    async with connect(fixture_server, era, answers) as client:
        result = await client.call_tool("test_sampling", {"prompt": "2 + 2?"})
    assert text(result) == "LLM response: 4"
    (params,) = answers.samplings
    assert (params.messages[0].content.text, params.max_tokens) == ("2 + 2?", 100)


async def test_elicitation(fixture_server, era):
    form = ElicitResult(action="accept", content={"username": "ada", "email": "ada@example.com"})
    answers = Answers(form=form)
    async with connect(fixture_server, era, answers) as client:
        result = await client.call_tool("test_elicitation", {"message": "Who are you?"})
    assert text(result).startswith("User response: ")
    assert "ada@example.com" in text(result)
    (params,) = answers.forms
    assert params.message == "Who are you?"
    assert params.requested_schema["required"] == ["username", "email"]


async def test_elicitation_defaults(fixture_server, era):
    answers = Answers(form=ElicitResult(action="accept", content={"name": "Jane"}))
    async with connect(fixture_server, era, answers) as client:
        result = await client.call_tool("test_elicitation_sep1034_defaults")
    assert text(result) == 'Elicitation completed: action=accept, content={"name": "Jane"}'
    found = answers.forms[0].requested_schema["properties"]
    assert {name: (field["type"], field["default"]) for name, field in found.items()} == {
        "name": ("string", "John Doe"),
        "age": ("integer", 30),
        "score": ("number", 95.5),
        "status": ("string", "active"),
        "verified": ("boolean", True),
    }
    assert found["status"]["enum"] == ["active", "inactive", "pending"]


async def test_each_elicitation_enum_uses_only_its_own_keywords(fixture_server, era):
    answers = Answers(form=ElicitResult(action="decline"))
    async with connect(fixture_server, era, answers) as client:
        result = await client.call_tool("test_elicitation_sep1330_enums")
    assert text(result) == "Elicitation completed: action=decline, content={}"
    found = answers.forms[0].requested_schema["properties"]
    keys = {name: set(field) - {"type", "description"} for name, field in found.items()}
    assert keys == {
        "untitledSingle": {"enum"},
        "titledSingle": {"oneOf"},
        "legacyEnum": {"enum", "enumNames"},
        "untitledMulti": {"items"},
        "titledMulti": {"items"},
    }
    assert set(found["untitledMulti"]["items"]) == {"type", "enum"}
    assert set(found["titledMulti"]["items"]) == {"anyOf"}
    for option in found["titledSingle"]["oneOf"] + found["titledMulti"]["items"]["anyOf"]:
        assert set(option) == {"const", "title"}
    assert {name for name, field in found.items() if field["type"] == "array"} == {
        "untitledMulti",
        "titledMulti",
    }


async def test_reconnection_closes_the_stream_once(fixture_server):
    exchange = Exchange()
    await exchange.call(fixture_server, "test_reconnection")
    assert exchange.closed == 1


async def test_the_2020_12_schema_is_listed_as_it_is(fixture_server, era):
    async with connect(fixture_server, era) as client:
        (tool,) = [
            tool for tool in (await client.list_tools()).tools if tool.name == "json_schema_2020_12_tool"
        ]
    schema = tool.input_schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$defs"]["address"]["$anchor"] == "addressDef"
    assert schema["additionalProperties"] is False
    assert {"allOf", "if", "then", "else"} <= set(schema)
    assert "anyOf" in schema["allOf"][0]


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        ({"email": "a@example.com"}, True),
        ({"contactMethod": "phone", "phone": "1"}, True),
        ({"contactMethod": "phone", "email": "a@example.com"}, False),
        ({"phone": "1"}, False),
        ({}, False),
        ({"email": "a@example.com", "extra": 1}, False),
        ({"email": 1}, False),
    ],
)
async def test_the_2020_12_schema_is_enforced(fixture_server, era, arguments, accepted):
    async with connect(fixture_server, era) as client:
        result = await client.call_tool("json_schema_2020_12_tool", arguments)
    assert result.is_error is not accepted


async def test_the_region_is_marked_for_a_header(fixture_server, era):
    async with connect(fixture_server, era) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "test_x_mcp_header"]
        result = await client.call_tool("test_x_mcp_header", {"region": "eu"})
    region = tool.input_schema["properties"]["region"]
    assert (region["type"], region["x-mcp-header"]) == ("string", "Region")
    assert text(result) == "Region: eu"


async def test_a_missing_capability_is_named(fixture_server):
    async with connect(fixture_server, MODERN) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("test_missing_capability")
    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert caught.value.data == {"requiredCapabilities": {"sampling": {}}}


async def test_a_declared_capability_is_enough(fixture_server, era):
    async with connect(fixture_server, era, Answers()) as client:
        assert not (await client.call_tool("test_missing_capability")).is_error


async def test_streaming_elicitation_sends_no_request_in_2026_07_28(fixture_server):
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        LOG_LEVEL_META_KEY: "info",
    }
    exchange = Exchange(version=MODERN, capabilities=CAN_ELICIT)
    params = {"name": "test_streaming_elicitation", "arguments": {}, "_meta": meta}
    result = await exchange.run(fixture_server, "tools/call", params)
    assert result["resultType"] == "input_required"
    assert exchange.asked == []
    assert [method for method, _ in exchange.own] == ["notifications/progress", "notifications/message"]


async def test_streaming_elicitation_asks_in_both_eras(fixture_server, era):
    answers = Answers(form=ElicitResult(action="accept", content={"confirm": True}))
    async with connect(fixture_server, era, answers) as client:
        assert text(await client.call_tool("test_streaming_elicitation")) == "Confirmation: accept"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(None, []), ("debug", ["debug", "info", "error"]), ("info", ["info", "error"]), ("alert", [])],
)
async def test_in_2026_07_28_log_messages_go_to_who_asked_for_them(fixture_server, wanted, expected):
    heard = []

    async def on_log(params):
        heard.append(params.level)

    async with connect(fixture_server, MODERN, log_level=wanted, logging_callback=on_log) as client:
        await client.call_tool("test_logging_tool")
    assert heard == expected


async def test_changes_reach_their_subscribers(fixture_server):
    async with connect(fixture_server, MODERN) as client, client.listen(prompts_list_changed=True) as events:
        await client.call_tool("test_trigger_tool_change")  # not listened for
        await client.call_tool("test_trigger_prompt_change")
        event = await anext(aiter(events))
    assert event == PromptsListChanged()


async def test_prompts(fixture_server, era):
    async with connect(fixture_server, era) as client:
        (simple,) = (await client.get_prompt("test_simple_prompt")).messages
        arguments = {"arg1": "hello", "arg2": "world"}
        (with_arguments,) = (await client.get_prompt("test_prompt_with_arguments", arguments)).messages
        arguments = {"resourceUri": "test://example-resource"}
        embedded, after = (await client.get_prompt("test_prompt_with_embedded_resource", arguments)).messages
        image, words = (await client.get_prompt("test_prompt_with_image")).messages
    assert simple.content.text == "This is a simple prompt for testing."
    assert with_arguments.content.text == "Prompt with arguments: arg1='hello', arg2='world'"
    assert embedded.content.resource.uri == "test://example-resource"
    assert embedded.content.resource.mime_type == "text/plain"
    assert embedded.content.resource.text == "Embedded resource content for testing."
    assert after.content.text == "Please process the embedded resource above."
    assert image.content.mime_type == "image/png"
    assert words.content.text == "Please analyze the image above."


async def test_the_first_argument_is_completed(fixture_server, era):
    ref = PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
    async with connect(fixture_server, era) as client:
        result = await client.complete(ref, {"name": "arg1", "value": "test"})
    assert result.completion.values
    assert all(value.startswith("test") for value in result.completion.values)


async def test_resources(fixture_server, era):
    async with connect(fixture_server, era) as client:
        (static,) = (await client.read_resource("test://static-text")).contents
        (binary,) = (await client.read_resource("test://static-binary")).contents
        (expanded,) = (await client.read_resource("test://template/123/data")).contents
        (watched,) = (await client.read_resource("test://watched-resource")).contents
        templates = (await client.list_resource_templates()).resource_templates
    assert static.text == "This is the content of the static text resource."
    assert binary.mime_type == "image/png"
    assert base64.b64decode(binary.blob) == tiny_png()
    assert expanded.uri == "test://template/123/data"
    assert json.loads(expanded.text) == {"id": "123", "templateTest": True, "data": "Data for ID: 123"}
    assert watched.text
    assert "test://template/{id}/data" in {template.uri_template for template in templates}


async def test_fixtures_of_rounds_say_that_an_older_revision_has_none(fixture_server):
    async with connect(fixture_server, LEGACY, Answers()) as client:
        result = await client.call_tool("test_input_required_result_request_state")
    assert result.is_error
    assert "2026-07-28" in texts(result)[0]
