"""The round trips of 2026-07-28, one by one, so that each can be checked."""

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CreateMessageResult,
    ElicitResult,
    InputRequiredResult,
    ListRootsResult,
    Root,
    TextContent,
)

from .support import MODERN, Answers, build_server, connect, text, texts

PREFIX = "test_input_required_result_"

SAMPLED = CreateMessageResult(role="assistant", model="m", content=TextContent(type="text", text="Good day"))
ROOTS = ListRootsResult(roots=[Root(uri="file:///work")])


def accept(**content):
    return ElicitResult(action="accept", content=content)


async def play(client, name, responses=None, state=None):
    return await client.session.call_tool(
        PREFIX + name, input_responses=responses, request_state=state, allow_input_required=True
    )


async def test_a_name_is_asked_for_and_greeted(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "elicitation")
        second = await play(client, "elicitation", {"user_name": accept(name="Alice")})
    assert isinstance(first, InputRequiredResult)
    params = first.input_requests["user_name"].params
    assert params.message == "What is your name?"
    assert set(params.requested_schema["properties"]) == {"name"}
    assert text(second) == "Hello, Alice!"


@pytest.mark.parametrize(
    "responses",
    [
        None,
        {},
        {"wrong_key": accept(name="Alice")},
        {"user_name": accept(name=12345)},
        {"user_name": accept(name=None)},
        {"user_name": accept(other="Alice")},
        {"user_name": ElicitResult(action="accept")},
        {"user_name": ROOTS},
    ],
)
async def test_a_value_that_is_not_a_name_is_asked_for_again(fixture_server, responses):
    async with connect(fixture_server, MODERN, Answers()) as client:
        result = await play(client, "elicitation", responses)
    assert isinstance(result, InputRequiredResult)
    assert list(result.input_requests) == ["user_name"]


async def test_extra_keys_are_ignored(fixture_server):
    responses = {"user_name": accept(name="Alice"), "extra": accept(foo="bar")}
    async with connect(fixture_server, MODERN, Answers()) as client:
        assert text(await play(client, "elicitation", responses)) == "Hello, Alice!"


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_refusal_ends_the_rounds(fixture_server, action):
    async with connect(fixture_server, MODERN, Answers()) as client:
        result = await play(client, "elicitation", {"user_name": ElicitResult(action=action)})
    assert result.is_error
    assert action in texts(result)[0]


async def test_the_model_is_asked(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "sampling")
        second = await play(client, "sampling", {"capital_question": SAMPLED})
    params = first.input_requests["capital_question"].params
    assert params.messages[0].content.text == "What is the capital of France?"
    assert params.max_tokens == 100
    assert "Good day" in text(second)


async def test_roots_are_asked_for(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "list_roots")
        second = await play(client, "list_roots", {"client_roots": ROOTS})
    assert first.input_requests["client_roots"].method == "roots/list"
    assert "file:///work" in text(second)


async def test_a_state_comes_back(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "request_state")
        assert first.input_requests["confirm"].params.requested_schema["properties"] == {
            "ok": {"type": "boolean"}
        }
        second = await play(client, "request_state", {"confirm": accept(ok=True)}, first.request_state)
        without = await play(client, "request_state", {"confirm": accept(ok=True)})
    assert "state-ok" in text(second)
    assert isinstance(without, InputRequiredResult)


async def test_three_types_of_input_are_requested_together(fixture_server):
    responses = {"user_name": accept(name="Alice"), "greeting": SAMPLED, "client_roots": ROOTS}
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "multiple_inputs")
        partly = await play(
            client, "multiple_inputs", {"user_name": accept(name="Alice")}, first.request_state
        )
        done = await play(client, "multiple_inputs", responses, first.request_state)
    assert set(first.input_requests) == set(responses)
    assert first.input_requests["greeting"].params.messages[0].content.text == "Generate a greeting"
    assert first.input_requests["greeting"].params.max_tokens == 50
    assert isinstance(partly, InputRequiredResult)
    assert text(done) == "Alice: Good day (1 root)"


async def test_each_round_has_its_question_and_its_state(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "multi_round")
        second = await play(client, "multi_round", {"step1": accept(name="Alice")}, first.request_state)
        unanswered = await play(client, "multi_round", {}, second.request_state)
        third = await play(client, "multi_round", {"step2": accept(color="blue")}, second.request_state)
    assert first.input_requests["step1"].params.message == "Step 1: What is your name?"
    assert second.input_requests["step2"].params.message == "Step 2: What is your favorite color?"
    assert first.request_state != second.request_state
    assert list(unanswered.input_requests) == ["step2"]
    assert text(third) == "Alice likes blue."


async def test_a_step_cannot_be_skipped_without_its_state(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        result = await play(client, "multi_round", {"step2": accept(color="blue")})
    assert list(result.input_requests) == ["step1"]


async def test_a_changed_state_is_a_protocol_error(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "tampered_state")
        answer = {"confirm": accept(ok=True)}
        with pytest.raises(MCPError) as caught:
            await play(client, "tampered_state", answer, first.request_state + "-TAMPERED")
        done = await play(client, "tampered_state", answer, first.request_state)
    assert caught.value.code == INVALID_PARAMS
    assert not done.is_error


async def test_the_state_of_one_tool_is_invalid_for_another(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        first = await play(client, "tampered_state")
        with pytest.raises(MCPError) as caught:
            await play(client, "request_state", {"confirm": accept(ok=True)}, first.request_state)
    assert caught.value.code == INVALID_PARAMS


async def test_two_processes_with_one_key_understand_each_other():
    one, two = build_server(fixtures=True), build_server(fixtures=True)
    async with connect(one, MODERN, Answers()) as client:
        first = await play(client, "request_state")
    async with connect(two, MODERN, Answers()) as client:
        second = await play(client, "request_state", {"confirm": accept(ok=True)}, first.request_state)
    assert "state-ok" in text(second)


async def test_only_what_the_client_can_answer_is_asked(fixture_server):
    async with connect(fixture_server, MODERN, sampling_callback=Answers().sample) as client:
        result = await play(client, "capabilities")
    assert list(result.input_requests) == ["greeting"]


async def test_a_client_without_capabilities_is_asked_nothing(fixture_server):
    async with connect(fixture_server, MODERN) as client:
        assert "nothing" in text(await play(client, "capabilities"))


@pytest.mark.parametrize(
    "name", ["elicitation", "sampling", "list_roots", "request_state", "multiple_inputs"]
)
async def test_a_client_without_the_capability_is_told(fixture_server, name):
    async with connect(fixture_server, MODERN) as client:
        with pytest.raises(MCPError) as caught:
            await play(client, name)
    assert "requiredCapabilities" in caught.value.data


@pytest.mark.parametrize(
    "name",
    [
        "elicitation",
        "sampling",
        "list_roots",
        "request_state",
        "multiple_inputs",
        "multi_round",
        "tampered_state",
        "capabilities",
    ],
)
async def test_the_sdk_client_plays_every_fixture_to_its_end(fixture_server, name):
    answers = Answers(form=accept(name="Alice", ok=True, color="blue"), roots=("file:///work",))
    async with connect(fixture_server, MODERN, answers) as client:
        result = await client.call_tool(PREFIX + name)
    assert not result.is_error


async def test_a_prompt_asks_too(fixture_server, era):
    answers = Answers(form=accept(context="a test"))
    async with connect(fixture_server, era, answers) as client:
        (message,) = (await client.get_prompt(PREFIX + "prompt")).messages
    assert "a test" in message.content.text
    (params,) = answers.forms
    assert params.message == "What context should the prompt use?"
    assert set(params.requested_schema["properties"]) == {"context"}


async def test_a_prompt_asks_under_its_key(fixture_server):
    async with connect(fixture_server, MODERN, Answers()) as client:
        result = await client.session.get_prompt(PREFIX + "prompt", allow_input_required=True)
    assert list(result.input_requests) == ["user_context"]


@pytest.mark.parametrize("answers", [None, Answers(form=ElicitResult(action="decline"))])
async def test_a_prompt_that_may_not_ask_or_is_refused_is_an_error(fixture_server, era, answers):
    async with connect(fixture_server, era, answers) as client:
        with pytest.raises(MCPError):
            await client.get_prompt(PREFIX + "prompt")
