"""Every demonstration tool, with valid and invalid arguments, in both eras."""

import base64
import json
import re

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, EmbeddedResource, ImageContent
from pydantic import TypeAdapter

from everything_site.demo.images import tiny_png
from everything_site.demo.tools.basics import plain
from mcp_app.protocol.tool_server import ToolServer
from tests.e2e.tools import listed_at, wrong_for

from .support import LEGACY, MODERN, Exchange, connect, text, texts

TOOLS = {
    "echo",
    "describe-server",
    "add",
    "longRunningOperation",
    "sampleLLM",
    "getTinyImage",
    "annotatedMessage",
    "getResourceReference",
    "elicitInputs",
    "get-roots-list",
    "get-structured-content",
    "get-resource-links",
    "get-tiny-audio",
    "gzip-file-as-resource",
    "sample-with-tools",
    "toggle-simulated-logging",
    "toggle-subscriber-updates",
    "trigger-url-elicitation",
    "slow_compute",
    "confirm_delete",
    "simulate-research-query",
    "mcp_apps_hello_world",
    "create-note",
    "draft-note",
    "edit-note",
    "delete-note",
}


async def test_the_tools_are_those_of_the_list(server, era):
    async with connect(server, era) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS & listed_at(
            client.protocol_version
        )


async def test_no_tool_shows_the_environment(server):
    assert not [tool.name for tool in await server.list_tools() if "env" in tool.name.lower()]


async def test_every_tool_has_title_description_and_all_four_hints(server, fixture_server):
    for tool in await server.list_tools():
        assert tool.title, tool.name
    for tool in await fixture_server.list_tools():
        assert tool.description, tool.name
        assert tool.annotations is not None, tool.name
        hints = tool.annotations.model_dump(exclude={"title"})
        assert None not in hints.values(), tool.name
        for name, schema in tool.input_schema.get("properties", {}).items():
            assert schema.get("description") or tool.name == "json_schema_2020_12_tool", (tool.name, name)


@pytest.mark.parametrize("which", ["server", "fixture_server"])
async def test_schemas_have_titles_that_people_write(request, which):
    for tool in await request.getfixturevalue(which).list_tools():
        if tool.name == "json_schema_2020_12_tool":  # its schema is the suite's
            continue
        assert "title" not in tool.input_schema, tool.name  # the tool has one
        output = tool.output_schema or {}
        for schema in (tool.input_schema, output, *output.get("$defs", {}).values()):
            titles = {"": schema.get("title", "")}
            for name, inner in schema.get("properties", {}).items():
                assert inner.get("title") or "$ref" in inner, (tool.name, name)
                titles[name] = inner.get("title", "")
            for name, title in titles.items():
                # Neither "FoundRoots" nor "Noteid" nor "Url".
                assert not re.search(r"[a-z][A-Z]|_|\b(Id|Ur[il])\b", title), (tool.name, title)
                is_run_together = name != name.lower() and title.lower() == name.lower()
                assert not is_run_together, (tool.name, title)


async def test_an_address_explains_itself(server):
    tools = {tool.name: tool for tool in await server.list_tools()}
    for tool, parameter in (("trigger-url-elicitation", "url"), ("gzip-file-as-resource", "data")):
        assert tools[tool].input_schema["properties"][parameter]["format"] == "uri"


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("echo", {}, "Invalid arguments for echo: `message` is required"),
        ("echo", {"message": 1}, "Invalid arguments for echo: `message` must be a string"),
        ("longRunningOperation", {"steps": 1.5}, "`steps` must be an integer"),
        ("longRunningOperation", {"duration": "1"}, "`duration` must be a number"),
        (
            "annotatedMessage",
            {"messageType": "x", "includeImage": 1},
            "`includeImage` must be a boolean",
        ),
        ("add", {"a": None}, "`a` must be a number; `b` is required"),
    ],
)
async def test_bad_arguments_are_named_with_the_rule_that_they_break(server, era, name, arguments, expected):
    async with connect(server, era) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert expected in texts(result)[0]
    assert "pydantic" not in texts(result)[0]


async def test_a_bug_in_a_tool_is_not_reported_as_an_invalid_argument():
    server = ToolServer("test")

    @server.tool()
    async def broken() -> str:
        """Fails to read its own data"""
        return str(TypeAdapter(int).validate_python("secret"))

    server.streamable_http_app()
    async with connect(server, MODERN) as client:
        result = await client.call_tool("broken")
    assert texts(result) == ["Error executing tool broken"]


async def test_echo_returns_the_message(server, era):
    async with connect(server, era) as client:
        result = await client.call_tool("echo", {"message": "hello, wörld"})
        assert text(result) == "Echo: hello, wörld"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 2, "The sum of 1 and 2 is 3."),
        (1.5, 2, "The sum of 1.5 and 2 is 3.5."),
        (-1, 1.0, "The sum of -1 and 1 is 0."),
        (-0.0, 0, "The sum of 0 and 0 is 0."),
        (0.1, 0.2, "The sum of 0.1 and 0.2 is 0.30000000000000004."),
        (9007199254740993, 1, "The sum of 9007199254740993 and 1 is 9007199254740994."),
        (2**63, 2**63, f"The sum of {2**63} and {2**63} is {2**64}."),
        (-(10**300), 10**300 + 1, f"The sum of {-(10**300)} and {10**300 + 1} is 1."),
        # The double nearest to the exact sum, not the sum of two roundings.
        (9007199254740993, 0.5, "The sum of 9007199254740993 and 0.5 is 9007199254740994."),
        (1e22, 1e-7, "The sum of 1e+22 and 1e-7 is 1e+22."),
    ],
)
async def test_add_is_exact_and_writes_numbers_as_json_does(server, era, a, b, expected):
    async with connect(server, era) as client:
        assert text(await client.call_tool("add", {"a": a, "b": b})) == expected


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2**53, 1), (-(2**53), -1), (2**63, 2**63), (10**300, 1)])
async def test_the_structured_sum_of_integers_is_an_integer_with_all_digits(server, era, a, b):
    async with connect(server, era) as client:
        result = await client.call_tool("add", {"a": a, "b": b})
    total = result.structured_content["sum"]
    assert (type(total), total) == (int, a + b)


async def test_the_structured_sum_of_other_numbers_is_a_double(server, era):
    async with connect(server, era) as client:
        result = await client.call_tool("add", {"a": 2**53, "b": 0.5})
    total = result.structured_content["sum"]
    assert (type(total), total) == (float, 2.0**53)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1e300, "1e+300"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (-0.5, "-0.5"),
        (0.000001, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (-0.0, "0"),
        (10, "10"),
    ],
)
def test_a_number_is_written_as_javascript_writes_it(number, expected):
    assert plain(number) == expected
    assert float(expected) == number


@pytest.mark.parametrize("numbers", [(10**400, 1), (-(10**309), 0.5), (1e308, 1e308), (2**1023, 2**1023)])
async def test_numbers_that_javascript_reads_as_infinity_are_refused(server, era, numbers):
    async with connect(server, era) as client:
        result = await client.call_tool("add", dict(zip("ab", numbers, strict=True)))
    assert result.is_error
    assert len(texts(result)[0]) < 1000


async def test_a_default_is_a_value_like_any_other(server):
    # An integer as the default of a number was a failure on Python 3.11, whose `int` lacks `is_integer`.
    (tool,) = [tool for tool in await server.list_tools() if tool.name == "longRunningOperation"]
    default = tool.input_schema["properties"]["duration"]["default"]
    assert plain(default) == "10"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("echo", {}),
        ("echo", {"message": 1}),
        ("add", {"a": 1}),
        ("add", {"a": "one", "b": 2}),
        ("add", {"a": True, "b": 2}),
        ("add", {"a": 1e308, "b": 1e308}),
        ("longRunningOperation", {"duration": -1}),
        ("longRunningOperation", {"duration": 301}),
        ("longRunningOperation", {"steps": 0}),
        ("longRunningOperation", {"steps": 1001}),
        ("annotatedMessage", {}),
        ("annotatedMessage", {"messageType": "warning"}),
        ("getResourceReference", {}),
        ("getResourceReference", {"resourceId": 0}),
        ("getResourceReference", {"resourceId": 101}),
        ("get-structured-content", {"location": "Boston"}),
        ("get-resource-links", {"count": 0}),
        ("get-resource-links", {"count": 11}),
        ("gzip-file-as-resource", {"data": "data:,x", "name": "../x"}),
        ("gzip-file-as-resource", {"data": "data:,x", "outputType": "file"}),
        ("trigger-url-elicitation", {"url": "javascript:alert(1)"}),
        ("trigger-url-elicitation", {"url": "file:///etc/passwd"}),
        ("slow_compute", {"seconds": 301}),
        ("slow_compute", {"seconds": 0, "label": "x" * 201}),
        ("confirm_delete", {"filename": "x" * 201}),
        ("simulate-research-query", {"topic": "x" * 201}),
        ("sampleLLM", {}),
        ("sampleLLM", {"prompt": "x", "maxTokens": 0}),
    ],
)
async def test_bad_arguments_are_a_failure_that_the_model_can_read(server, era, name, arguments):
    async with connect(server, era) as client:
        result = await client.call_tool(name, arguments)
        assert result.is_error
        assert name in texts(result)[0]


async def test_what_a_tools_own_schema_forbids_is_refused(fixture_server, era):
    async with connect(fixture_server, era) as client:
        for tool in (await client.list_tools()).tools:
            for parameter, wrong in wrong_for(tool):
                result = await client.call_tool(tool.name, wrong)
                assert result.is_error, (tool.name, wrong)
                assert parameter in texts(result)[0], (tool.name, wrong)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("get-resource-links", {"count": 2.0}), ("longRunningOperation", {"duration": 0, "steps": 2.0})],
)
async def test_an_integer_may_be_written_with_a_fraction_of_zero(server, era, name, arguments):
    # JSON Schema 2020-12, validation, 6.1.1: any number with a zero fractional part is an integer.
    async with connect(server, era) as client:
        result = await client.call_tool(name, arguments)
        assert not result.is_error
        assert "2" in texts(result)[0]


async def test_an_unknown_tool_is_a_protocol_error(server, era):
    # Specification, server/tools, "Error Handling".
    async with connect(server, era) as client:
        with pytest.raises(MCPError, match="Unknown tool: nope") as caught:
            await client.call_tool("nope", {})
        assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Add", "add"),
        ("ECHO", "echo"),
        ("longRunningOperatoin", "longRunningOperation"),
        ("elicit-input", "elicitInputs"),
        ("long_running_operation", "longRunningOperation"),
        ("nope", None),
        ("", None),
        ("add" * 100, None),
    ],
)
async def test_the_error_for_an_unknown_tool_suggests_a_similar_name(server, era, name, meant):
    async with connect(server, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(name, {})
    expected = f"Unknown tool: {name}" + (f". Did you mean `{meant}`?" if meant else "")
    assert caught.value.message == expected


async def test_a_tool_that_the_caller_cannot_see_is_never_suggested(server):
    async with connect(server, LEGACY) as client:
        with pytest.raises(MCPError, match="Did you mean `toggle-subscriber-updates`"):
            await client.call_tool("toggle_subscriber_updates", {})
    async with connect(server, MODERN) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("toggle_subscriber_updates", {})
    assert "Did you mean" not in caught.value.message


async def test_a_long_running_operation_reports_each_step(server, era):
    heard = []

    async def on_progress(progress, total, message):
        heard.append((progress, total))

    async with connect(server, era) as client:
        result = await client.call_tool(
            "longRunningOperation", {"duration": 0, "steps": 3}, progress_callback=on_progress
        )
    assert text(result) == "Long running operation completed. Duration: 0 seconds, Steps: 3."
    assert heard == [(1, 3), (2, 3), (3, 3)]


async def test_a_long_running_operation_takes_ten_seconds_and_five_steps_by_default(server):
    (tool,) = [tool for tool in await server.list_tools() if tool.name == "longRunningOperation"]
    properties = tool.input_schema["properties"]
    assert (properties["duration"]["default"], properties["steps"]["default"]) == (10, 5)


async def test_the_tiny_image_stands_between_two_lines(server, era):
    async with connect(server, era) as client:
        first, image, last = (await client.call_tool("getTinyImage")).content
    assert first.text == "This is a tiny image:"
    assert last.text == "The image above is the MCP tiny image."
    assert isinstance(image, ImageContent)
    assert image.mime_type == "image/png"
    assert base64.b64decode(image.data) == tiny_png()


@pytest.mark.parametrize(
    ("kind", "expected", "priority", "audience"),
    [
        ("error", "Error: Operation failed", 1.0, ["user", "assistant"]),
        ("success", "Operation completed successfully", 0.7, ["user"]),
        ("debug", "Debug: Cache hit ratio 0.95, latency 150ms", 0.3, ["assistant"]),
    ],
)
async def test_an_annotated_message_has_its_audience(server, era, kind, expected, priority, audience):
    async with connect(server, era) as client:
        (message,) = (await client.call_tool("annotatedMessage", {"messageType": kind})).content
    assert message.text == expected
    assert message.annotations.priority == priority
    assert message.annotations.audience == audience


async def test_an_annotated_message_carries_an_image_on_request(server, era):
    async with connect(server, era) as client:
        arguments = {"messageType": "debug", "includeImage": True}
        _, image = (await client.call_tool("annotatedMessage", arguments)).content
    assert isinstance(image, ImageContent)
    assert (image.annotations.priority, image.annotations.audience) == (0.5, ["user"])


@pytest.mark.parametrize("number", [1, 2, 100])
async def test_a_resource_reference_embeds_what_resources_read_returns(server, era, number):
    uri = f"test://static/resource/{number}"
    async with connect(server, era) as client:
        first, embedded, last = (
            await client.call_tool("getResourceReference", {"resourceId": number})
        ).content
        (contents,) = (await client.read_resource(uri)).contents
    assert first.text == f"Returning resource reference for Resource {number}:"
    assert isinstance(embedded, EmbeddedResource)
    assert embedded.resource == contents
    assert last.text == f"You can access this resource using the URI: {uri}"


async def test_the_hello_world_tool_names_its_page(server, era):
    async with connect(server, era) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "mcp_apps_hello_world"]
        assert tool.meta["ui"]["resourceUri"] == "ui://hello-world/app.html"
        result = await client.call_tool("mcp_apps_hello_world")
        (page,) = (await client.read_resource("ui://hello-world/app.html")).contents
    assert result.structured_content["greeting"]
    assert set(result.structured_content) == set(tool.output_schema["properties"])
    words, data = texts(result)  # for a client without apps
    assert "did not declare support for MCP Apps" in words
    assert json.loads(data) == result.structured_content
    assert page.mime_type == "text/html;profile=mcp-app"
    assert "ui/initialize" in page.text


async def test_a_call_without_arguments_member_is_served(server):
    result = await Exchange().run(server, "tools/call", {"name": "getTinyImage"})
    assert len(result["content"]) == 3


@pytest.mark.parametrize("token", [True, False, 1.5, [], {}])
@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25", MODERN])
async def test_an_invalid_progress_token_is_refused(server, version, token):
    # Specification, basic/utilities/progress: a string or an integer.
    meta = {
        "progressToken": token,
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "echo", "arguments": {"message": "x"}, "_meta": meta}
    with pytest.raises(MCPError, match="progressToken` must be a string or an integer") as caught:
        await Exchange(version=version).run(server, "tools/call", params)
    assert caught.value.code == INVALID_PARAMS
