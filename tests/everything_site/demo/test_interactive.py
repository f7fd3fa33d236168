"""Tools that ask the client, by requests or by round trips, with the same code."""

import json
import re

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    CreateMessageResultWithTools,
    ElicitationCapability,
    ElicitResult,
    InputRequiredResult,
    RootsCapability,
    SamplingCapability,
)

from .support import LEGACY, MODERN, Answers, Exchange, connect, text, texts

CALLS = [("sampleLLM", {"prompt": "hi"}), ("elicitInputs", {}), ("get-roots-list", {})]
EVERYTHING = ClientCapabilities(
    sampling=SamplingCapability(), elicitation=ElicitationCapability(), roots=RootsCapability()
)


async def test_sampling_puts_the_prompt_in_context(server, era):
    answers = Answers(text="Certainly")
    async with connect(server, era, answers) as client:
        result = await client.call_tool("sampleLLM", {"prompt": "Say yes", "maxTokens": 7})
    assert text(result) == "LLM sampling result: Certainly"
    (params,) = answers.samplings
    assert params.messages[0].content.text == "Resource sampleLLM context: Say yes"
    assert params.max_tokens == 7


async def test_sampling_generates_a_hundred_tokens_by_default(server, era):
    answers = Answers()
    async with connect(server, era, answers) as client:
        await client.call_tool("sampleLLM", {"prompt": "x"})
    assert answers.samplings[0].max_tokens == 100


async def test_sampling_asks_for_context_only_where_the_client_declared_it(server):
    answer = {"role": "assistant", "content": {"type": "text", "text": "."}, "model": "m"}
    for capability, expected in (
        (SamplingCapability(), None),
        (SamplingCapability.model_validate({"context": {}}), "thisServer"),
    ):
        exchange = Exchange(capabilities=ClientCapabilities(sampling=capability), answer=answer)
        await exchange.call(server, "sampleLLM", {"prompt": "x"})
        assert exchange.asked[0][1].get("includeContext") == expected


async def test_an_answer_of_several_blocks_gives_all_its_text(server):
    content = [
        {"type": "text", "text": "first"},
        {"type": "image", "data": "AA==", "mimeType": "image/png"},
        {"type": "text", "text": "second"},
    ]
    exchange = Exchange(
        capabilities=EVERYTHING, answer={"role": "assistant", "content": content, "model": "m"}
    )
    assert await exchange.call(server, "sampleLLM", {"prompt": "x"}) == "LLM sampling result: first\nsecond"


async def test_an_answer_without_words_is_shown_as_json(server):
    content = {"type": "image", "data": "AA==", "mimeType": "image/png"}
    exchange = Exchange(
        capabilities=EVERYTHING, answer={"role": "assistant", "content": content, "model": "m"}
    )
    shown = await exchange.call(server, "sampleLLM", {"prompt": "x"})
    assert json.loads(shown.removeprefix("LLM sampling result: ")) == {"content": content}


async def test_the_form_has_a_field_of_every_primitive_kind_and_an_enum(server, era):
    answers = Answers(form=ElicitResult(action="accept", content={"name": "Ada", "integer": 7}))
    async with connect(server, era, answers) as client:
        result = await client.call_tool("elicitInputs")
    shown = json.loads(text(result).removeprefix("Elicitation result: "))
    assert shown == {"action": "accept", "content": {"name": "Ada", "integer": 7}}
    (params,) = answers.forms
    properties = params.requested_schema["properties"]
    assert {field["type"] for field in properties.values()} == {"string", "boolean", "integer", "number"}
    assert {"email", "uri", "date"} <= {field.get("format") for field in properties.values()}
    assert len(properties["petType"]["enum"]) == len(properties["petType"]["enumNames"])
    assert params.requested_schema["required"] == ["name"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_refused_form_is_a_result_too(server, era, action):
    async with connect(server, era, Answers(form=ElicitResult(action=action))) as client:
        result = await client.call_tool("elicitInputs")
    assert json.loads(text(result).removeprefix("Elicitation result: ")) == {"action": action}


async def test_a_form_waits_ten_minutes(server):
    exchange = Exchange(capabilities=EVERYTHING, answer={"action": "cancel"})
    await exchange.call(server, "elicitInputs")
    assert exchange.asked[0][2]["timeout"] == 600


async def test_roots_are_listed(server, era):
    async with connect(server, era, Answers(roots=("file:///a", "file:///b"))) as client:
        shown = text(await client.call_tool("get-roots-list"))
    assert "file:///a" in shown
    assert "file:///b" in shown


async def test_no_roots_is_an_answer(server, era):
    async with connect(server, era, Answers()) as client:
        assert text(await client.call_tool("get-roots-list")) == "The client has no roots."


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_a_request_to_the_client_goes_onto_the_stream_of_its_call(server, name, arguments):
    exchange = Exchange(capabilities=EVERYTHING, answer=MCPError(-1, "User rejected"))
    # The other stream of this exchange fails a test that sends a request on it.
    assert "User rejected" in await exchange.call(server, name, arguments)
    assert len(exchange.asked) == 1
    assert exchange.standalone == []


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_a_refusal_of_the_client_makes_the_tool_fail(server, name, arguments):
    exchange = Exchange(capabilities=EVERYTHING, answer=MCPError(-1, "User rejected"))
    result = await exchange.run(server, "tools/call", {"name": name, "arguments": arguments})
    assert result["isError"]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_a_malformed_answer_of_the_client_makes_the_tool_fail(server, name, arguments):
    exchange = Exchange(capabilities=EVERYTHING, answer={"roots": 1, "action": 2, "content": 3})
    result = await exchange.run(server, "tools/call", {"name": name, "arguments": arguments})
    assert result["isError"]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_a_client_without_the_capability_is_not_asked(server, name, arguments):
    exchange = Exchange()
    result = await exchange.run(server, "tools/call", {"name": name, "arguments": arguments})
    assert result["isError"]
    assert "did not declare the capability" in result["content"][0]["text"]
    assert exchange.asked == []


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_in_2026_07_28_a_missing_capability_has_its_own_error(server, name, arguments):
    async with connect(server, MODERN) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(name, arguments)
    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert len(caught.value.data["requiredCapabilities"]) == 1


async def test_a_client_with_only_url_mode_is_not_shown_a_form(server):
    capabilities = ClientCapabilities(elicitation=ElicitationCapability.model_validate({"url": {}}))
    exchange = Exchange(capabilities=capabilities)
    assert "elicitation" in await exchange.call(server, "elicitInputs")
    assert exchange.asked == []


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_in_2026_07_28_the_first_round_asks_and_sends_nothing(server, name, arguments):
    async with connect(server, MODERN, Answers()) as client:
        result = await client.session.call_tool(name, arguments, allow_input_required=True)
    assert isinstance(result, InputRequiredResult)
    assert len(result.input_requests) == 1


async def test_an_answer_of_the_wrong_type_is_asked_for_again(server):
    async with connect(server, MODERN, Answers()) as client:
        first = await client.session.call_tool("elicitInputs", allow_input_required=True)
        (key,) = first.input_requests
        wrong = CreateMessageResultWithTools(
            role="assistant", model="m", content=[{"type": "text", "text": "no form"}]
        )
        again = await client.session.call_tool(
            "elicitInputs", input_responses={key: wrong}, allow_input_required=True
        )
    assert again.input_requests == first.input_requests


async def test_a_missed_deadline_makes_the_tool_fail(server):
    exchange = Exchange(capabilities=EVERYTHING, answer=MCPError(-32001, "Request timed out"))
    result = await exchange.run(server, "tools/call", {"name": "elicitInputs"})
    assert result["isError"]
    assert "timed out" in result["content"][0]["text"]


async def test_an_older_client_without_callbacks_gets_a_failure(server):
    async with connect(server, LEGACY) as client:
        result = await client.call_tool("elicitInputs")
    assert result.is_error
    assert "elicitation" in texts(result)[0]


@pytest.mark.parametrize(
    ("name", "arguments", "declared", "missing"),
    [
        ("sample-with-tools", {"prompt": "x"}, {}, "sampling.tools"),
        ("sample-with-tools", {"prompt": "x"}, {"sampling": {}}, "sampling.tools"),
        ("sample-with-tools", {"prompt": "x"}, {"sampling": {"context": {}}}, "sampling.tools"),
        ("sampleLLM", {"prompt": "x"}, {}, "sampling"),
        ("trigger-url-elicitation", {"url": "https://example.com"}, {"elicitation": {}}, "elicitation.url"),
        ("elicitInputs", {}, {"elicitation": {"url": {}}}, "elicitation.form"),
        ("get-roots-list", {}, {}, "roots"),
    ],
)
async def test_the_missing_capability_is_named_completely(server, name, arguments, declared, missing):
    exchange = Exchange(capabilities=ClientCapabilities.model_validate(declared))
    told = await exchange.call(server, name, arguments)
    assert told.rpartition(": ")[2] == missing
    async with connect(server, MODERN) as client:
        with pytest.raises(MCPError, match=f": {re.escape(missing)}$"):
            await client.call_tool(name, arguments)


async def test_in_a_revision_without_modes_only_elicitation_is_named(server):
    exchange = Exchange(version="2025-06-18")
    assert (await exchange.call(server, "elicitInputs")).endswith("capability: elicitation")


MISFITS = [
    ({}, "`name` is required"),
    (None, "`name` is required"),
    ({"name": 5}, "`name` must be a string"),
    ({"name": None}, "`name` must be a string"),
    ({"name": "Ada", "petType": "unicorn"}, "`petType` must be one of cats, dogs, birds, fish, reptiles"),
    ({"name": "Ada", "email": "nowhere"}, "`email` must be an email address"),
    ({"name": "Ada", "homepage": "my page"}, "`homepage` must be a URI"),
    ({"name": "Ada", "birthdate": "2026-02-30"}, "`birthdate` must be a date"),
    ({"name": "Ada", "integer": 0}, "`integer` must be at least 1"),
    ({"name": "Ada", "integer": 1.5}, "`integer` must be an integer"),
    ({"name": "Ada", "number": True}, "`number` must be a number"),
    ({"name": "Ada", "check": "true"}, "`check` must be a boolean"),
    ({"name": ["Ada"], "color": 1}, "`name` must be a string; `color` must be a string"),
]


@pytest.mark.parametrize(("content", "expected"), MISFITS)
async def test_an_answer_is_validated_against_the_form_and_each_invalid_field_is_named(
    server, era, content, expected
):
    # client/elicitation, "Security Considerations": servers should validate received data.
    answer = ElicitResult(action="accept", content=content)
    async with connect(server, era, Answers(form=answer)) as client:
        result = await client.call_tool("elicitInputs")
    assert result.is_error
    assert expected in texts(result)[0]


@pytest.mark.parametrize(
    "content",
    [
        {"name": ""},
        {"name": "Ada", "integer": 7.0, "number": 3},
        {"name": "Ada", "email": "ada@localhost", "homepage": "urn:x", "birthdate": "2024-02-29"},
        {"name": "Ada", "nickname": "of no field"},
    ],
)
async def test_an_answer_that_matches_the_form_is_accepted(server, era, content):
    async with connect(server, era, Answers(form=ElicitResult(action="accept", content=content))) as client:
        shown = text(await client.call_tool("elicitInputs"))
    assert json.loads(shown.removeprefix("Elicitation result: "))["content"] == content


async def test_a_field_that_is_not_a_simple_value_is_named_too(server):
    exchange = Exchange(
        capabilities=EVERYTHING, answer={"action": "accept", "content": {"name": "Ada", "color": {"deep": 1}}}
    )
    assert "`content.color`" in await exchange.call(server, "elicitInputs")


@pytest.mark.parametrize(
    ("name", "arguments", "content", "expected"),
    [
        ("confirm_delete", {"filename": "x"}, {"confirm": "yes"}, "`confirm` must be a boolean"),
        (
            "simulate-research-query",
            {"topic": "x", "ambiguous": True},
            {"interpretation": "x"},
            "`interpretation`",
        ),
        ("test_elicitation", {"message": "x"}, {"username": "ada"}, "`email` is required"),
        ("test_elicitation_sep1034_defaults", {}, {"status": "gone"}, "`status` must be one of"),
        (
            "test_elicitation_sep1330_enums",
            {},
            {"titledMulti": ["value1", "x"]},
            "`titledMulti[1]` must be one of",
        ),
        ("test_streaming_elicitation", {}, {}, "`confirm` is required"),
    ],
)
async def test_every_form_is_checked(fixture_server, era, monkeypatch, name, arguments, content, expected):
    monkeypatch.setattr("everything_site.demo.tools.tasks.STAGE_SECONDS", 0)
    answers = Answers(form=ElicitResult(action="accept", content=content))
    async with connect(fixture_server, era, answers) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert expected in texts(result)[0]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_what_comes_with_a_refusal_is_not_checked(server, era, action):
    answer = ElicitResult(action=action, content={"name": 5})
    async with connect(server, era, Answers(form=answer)) as client:
        assert not (await client.call_tool("elicitInputs")).is_error


async def test_a_model_may_not_call_tools_that_it_was_not_offered(server):
    use = {"type": "tool_use", "id": "1", "name": "rm", "input": {}}
    exchange = Exchange(capabilities=EVERYTHING, answer={"role": "assistant", "content": [use], "model": "m"})
    assert "none was offered" in await exchange.call(server, "sampleLLM", {"prompt": "x"})


@pytest.mark.parametrize(
    ("revision", "name", "arguments", "since"),
    [
        ("2025-03-26", "sample-with-tools", {"prompt": "x"}, "2025-11-25"),
        ("2025-06-18", "sample-with-tools", {"prompt": "x"}, "2025-11-25"),
        ("2025-03-26", "elicitInputs", {}, "2025-06-18"),
        ("2025-03-26", "confirm_delete", {"filename": "x"}, "2025-06-18"),
    ],
)
async def test_a_question_that_a_revision_lacks_fails_and_names_the_first_that_has_it(
    server, revision, name, arguments, since
):
    exchange = Exchange(version=revision, capabilities=EVERYTHING)
    assert f"requires {since}" in await exchange.call(server, name, arguments)
    assert exchange.asked == []


@pytest.mark.parametrize("revision", ["2025-06-18"])
async def test_an_older_revision_is_not_sent_the_fields_of_a_later_one(fixture_server, revision):
    exchange = Exchange(version=revision, capabilities=EVERYTHING)
    shown = await exchange.call(fixture_server, "test_elicitation_sep1330_enums")
    assert "requires 2025-11-25" in shown
    assert revision in shown
    assert exchange.asked == []
