"""The tools that can become tasks, run without tasks: the same code for every client."""

from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult

from everything_site.demo.server import task_tools
from everything_site.demo.tools import tasks

from .support import LEGACY, MODERN, Answers, connect, text, texts


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(tasks, "STAGE_SECONDS", 0)
    monkeypatch.setattr("everything_site.demo.fixtures.tasks.JOB_SECONDS", 0)


async def test_every_task_tool_is_served(server, fixture_server):
    assert set(task_tools()) <= {tool.name for tool in await server.list_tools()}
    with_fixtures = {tool.name for tool in await fixture_server.list_tools()}
    assert set(task_tools(with_fixtures=True)) <= with_fixtures


async def test_a_slow_computation_reports_its_progress(server, era):
    heard = []

    async def on_progress(progress, total, message):
        heard.append((progress, message))

    async with connect(server, era) as client:
        result = await client.call_tool(
            "slow_compute", {"seconds": 0.01, "label": "x"}, progress_callback=on_progress
        )
    assert text(result) == "x: computed for 0.01 seconds."
    assert heard == [(0.01, "Computing x: 0.01 of 0.01 seconds")]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("slow_compute", {"seconds": 1}, "computed for 1 second."),
        ("slow_compute", {"seconds": 1.0}, "computed for 1 second."),
        ("slow_compute", {"seconds": 0}, "computed for 0 seconds."),
        ("get-resource-links", {"count": 1}, "Here is 1 resource link to resources available"),
        ("get-resource-links", {"count": 2}, "Here are 2 resource links to resources available"),
        ("longRunningOperation", {"duration": 0, "steps": 1}, "Duration: 0 seconds, Steps: 1."),
    ],
)
async def test_a_noun_is_in_the_number_of_what_it_counts(server, monkeypatch, name, arguments, said):
    monkeypatch.setattr(tasks, "anyio", SimpleNamespace(sleep=AsyncMock()))
    async with connect(server, MODERN) as client:
        assert said in texts(await client.call_tool(name, arguments))[0]


@pytest.mark.parametrize(
    ("name", "arguments", "empty"),
    [
        ("confirm_delete", {"filename": ""}, "filename"),
        ("slow_compute", {"seconds": 0, "label": ""}, "label"),
        ("simulate-research-query", {"topic": ""}, "topic"),
    ],
)
async def test_placeholders_in_sentences_are_not_empty(server, era, name, arguments, empty):
    async with connect(server, era, Answers()) as client:
        result = await client.call_tool(name, arguments)
    assert result.is_error
    assert f"`{empty}` must have at least 1 character" in texts(result)[0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ElicitResult(action="accept", content={"confirm": True}), "a.txt was deleted (not really)."),
        (ElicitResult(action="accept", content={"confirm": False}), "a.txt was kept."),
        (ElicitResult(action="decline"), "a.txt was kept."),
    ],
)
async def test_a_deletion_is_confirmed(server, era, answer, expected):
    async with connect(server, era, Answers(form=answer)) as client:
        assert text(await client.call_tool("confirm_delete", {"filename": "a.txt"})) == expected


async def test_research_goes_through_four_stages(server, era):
    heard = []

    async def on_progress(progress, total, message):
        heard.append(message)

    async with connect(server, era) as client:
        result = await client.call_tool(
            "simulate-research-query", {"topic": "tea"}, progress_callback=on_progress
        )
    assert text(result).startswith("Research report: tea\n")
    assert heard == [*(f"{stage}: tea" for stage in tasks.STAGES), "Done: tea"]


async def test_an_ambiguous_topic_causes_a_question_and_no_stage_runs_twice(server, era):
    heard = []

    async def on_progress(progress, total, message):
        heard.append(message)

    answers = Answers(form=ElicitResult(action="accept", content={"interpretation": "historical"}))
    async with connect(server, era, answers) as client:
        result = await client.call_tool(
            "simulate-research-query", {"topic": "tea", "ambiguous": True}, progress_callback=on_progress
        )
    assert text(result).startswith("Research report: tea (historical)\n")
    assert heard == [*(f"{stage}: tea" for stage in tasks.STAGES), "Done: tea"]
    assert len(answers.forms) == 1


async def test_research_finishes_without_a_clarification(server, era):
    async with connect(server, era, Answers(form=ElicitResult(action="cancel"))) as client:
        result = await client.call_tool("simulate-research-query", {"topic": "tea", "ambiguous": True})
    assert text(result).startswith("Research report: tea (no interpretation chosen)\n")


async def test_a_greeting_is_never_a_task(fixture_server, era):
    async with connect(fixture_server, era) as client:
        assert text(await client.call_tool("greet", {"name": "World"})) == "Hello, World!"


async def test_jobs_fail_as_they_say(fixture_server, era):
    async with connect(fixture_server, era) as client:
        failed = await client.call_tool("failing_job")
        assert failed.is_error
        assert "always" in texts(failed)[0]
        with pytest.raises(MCPError, match="protocol error"):
            await client.call_tool("protocol_error_job")


async def test_two_questions_are_asked_together(fixture_server):
    answers = Answers(form=ElicitResult(action="accept", content={"name": "Ada", "confirm": True}))
    async with connect(fixture_server, MODERN, answers) as client:
        assert "Ada" in text(await client.call_tool("multi_input"))
    assert len(answers.forms) == 2
    async with connect(fixture_server, LEGACY, answers) as client:
        assert (await client.call_tool("multi_input")).is_error


async def test_a_name_is_asked_for_before_the_task(fixture_server, era):
    answers = Answers(form=ElicitResult(action="accept", content={"name": "Ada"}))
    async with connect(fixture_server, era, answers) as client:
        assert text(await client.call_tool("test_tool_with_task")) == "Hello from a task, Ada!"
