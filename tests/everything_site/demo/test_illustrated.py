"""Titles and icons (SEP-973): of the server, prompts, resources and templates."""

import pytest

from everything_site.demo.illustrated import in_words

from .support import connect


def is_picture(icons):
    return [icon.src.startswith("data:image/png;base64,") and icon.sizes == ["16x16"] for icon in icons or []]


async def test_every_prompt_has_a_title_and_an_icon(server, era):
    async with connect(server, era) as client:
        for prompt in (await client.list_prompts()).prompts:
            assert prompt.title, prompt.name
            assert is_picture(prompt.icons) == [True], prompt.name


async def test_every_template_has_a_title_and_an_icon(server, era):
    async with connect(server, era) as client:
        for template in (await client.list_resource_templates()).resource_templates:
            assert template.title, template.name
            assert is_picture(template.icons) == [True], template.name


async def test_every_resource_has_a_title_and_an_icon(server, era):
    async with connect(server, era) as client:
        cursor, titles = None, {}
        while True:
            page = await client.list_resources(cursor=cursor)
            for resource in page.resources:
                assert is_picture(resource.icons) == [True], resource.uri
                titles[resource.uri] = resource.title
            if (cursor := page.next_cursor) is None:
                break
    assert all(titles.values())
    assert titles["test://static/resource/7"] == "Static resource 7"
    assert titles["skill://try-everything/SKILL.md"] == "Try everything"


@pytest.mark.parametrize(
    ("name", "words"), [("try-everything", "Try everything"), ("minutes.md", "Minutes"), ("", "")]
)
def test_a_name_may_have_several_words(name, words):
    assert in_words(name) == words
