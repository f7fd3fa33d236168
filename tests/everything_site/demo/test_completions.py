"""Completion of every argument, including those that depend on others."""

import pytest
from mcp.types import PromptReference

from everything_site.demo.completions import TEMPERATURES

from .support import connect

COMPLEX = PromptReference(type="ref/prompt", name="complex_prompt")


async def values(client, name, value="", **known):
    argument = {"name": name, "value": value}
    return (await client.complete(COMPLEX, argument, context_arguments=known or None)).completion.values


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, TEMPERATURES),
        ({"style": "technical"}, ("0", "0.5")),
        ({"style": "casual"}, ("0.7", "1.0")),
        ({"style": "baroque"}, TEMPERATURES),
    ],
)
async def test_a_temperature_fits_the_style_that_was_chosen(server, era, known, expected):
    async with connect(server, era) as client:
        assert tuple(await values(client, "temperature", **known)) == expected


async def test_suggestions_match_what_was_typed(server, era):
    async with connect(server, era) as client:
        assert await values(client, "temperature", "0.", style="formal") == ["0.5"]


async def test_every_argument_of_every_prompt_has_suggestions(fixture_server):
    async with connect(fixture_server, "2026-07-28") as client:
        for prompt in (await client.list_prompts()).prompts:
            for argument in prompt.arguments or ():
                ref = PromptReference(type="ref/prompt", name=prompt.name)
                found = await client.complete(ref, {"name": argument.name, "value": ""})
                assert found.completion.values, (prompt.name, argument.name)
