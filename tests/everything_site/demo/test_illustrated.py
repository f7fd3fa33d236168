"""Titles and icons (SEP-973): of the server, prompts, resources and templates."""

import struct
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from everything_site.demo.illustrated import in_words

from .support import connect


def is_mark(icons):
    """Whether these are the two icons, of the size that they claim, at URLs that this server serves."""
    return [icon.theme for icon in icons or []] == ["light", "dark"] and all(map(is_served, icons))


def is_served(icon):
    path = icon.src.removeprefix("http://localhost:3232/static/")
    content = Path(finders.find(path)).read_bytes()
    width, height = struct.unpack(">II", content[16:24])  # of the header of a PNG
    return icon.sizes == [f"{width}x{height}"] and width >= 64 and icon.mime_type == "image/png"


async def test_every_prompt_has_a_title_and_an_icon(server, era):
    async with connect(server, era) as client:
        for prompt in (await client.list_prompts()).prompts:
            assert prompt.title, prompt.name
            assert is_mark(prompt.icons), prompt.name


async def test_every_template_has_a_title_and_an_icon(server, era):
    async with connect(server, era) as client:
        for template in (await client.list_resource_templates()).resource_templates:
            assert template.title, template.name
            assert is_mark(template.icons), template.name


async def test_every_resource_has_a_title_and_an_icon(server, era):
    async with connect(server, era) as client:
        cursor, titles = None, {}
        while True:
            page = await client.list_resources(cursor=cursor)
            for resource in page.resources:
                assert is_mark(resource.icons), resource.uri
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
