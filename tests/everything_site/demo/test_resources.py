"""The hundred resources, their pages, their template, and unknown ones."""

import base64

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND

from .support import LEGACY, MODERN, connect

APP = "ui://hello-world/app.html"


async def pages(client):
    found, cursor = [], None
    while True:
        result = await client.list_resources(cursor=cursor)
        found.append([resource.uri for resource in result.resources])
        cursor = result.next_cursor
        if cursor is None:
            return found


async def test_a_hundred_resources_come_in_pages_of_ten(server, era):
    async with connect(server, era) as client:
        found = await pages(client)
    assert all(len(uris) == 10 for uris in found[:-1])
    assert len(found[-1]) <= 10
    static = [uri for uris in found for uri in uris if uri.startswith("test://static/")]
    assert static == [f"test://static/resource/{number}" for number in range(1, 101)]


async def test_the_app_is_listed_once(server, era):
    async with connect(server, era) as client:
        assert [uri for uris in await pages(client) for uri in uris].count(APP) == 1


async def test_every_listed_resource_can_be_read_and_has_the_listed_type(fixture_server, era):
    async with connect(fixture_server, era) as client:
        cursor = None
        while True:
            listed = await client.list_resources(cursor=cursor)
            for resource in listed.resources:
                (contents,) = (await client.read_resource(resource.uri)).contents
                assert contents.uri == resource.uri
                assert contents.mime_type == resource.mime_type
            cursor = listed.next_cursor
            if cursor is None:
                break


async def test_odd_resources_are_text_and_even_ones_base64(server, era):
    async with connect(server, era) as client:
        (odd,) = (await client.read_resource("test://static/resource/1")).contents
        (even,) = (await client.read_resource("test://static/resource/100")).contents
    assert odd.mime_type == "text/plain"
    assert "Resource 1" in odd.text
    assert even.mime_type == "application/octet-stream"
    assert b"Resource 100" in base64.b64decode(even.blob)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "10", base64.b64encode(b"resources:-1").decode(), base64.b64encode(b"tools:10").decode()],
)
@pytest.mark.parametrize("verb", ["list_tools", "list_prompts", "list_resource_templates"])
async def test_a_bad_cursor_is_refused_by_every_list(server, era, verb, cursor):
    # Specification, server/utilities/pagination, "Error Handling".
    if verb == "list_tools" and cursor == base64.b64encode(b"tools:10").decode():
        cursor = base64.b64encode(b"resources:10").decode()
    async with connect(server, era) as client:
        with pytest.raises(MCPError) as caught:
            await getattr(client, verb)(cursor=cursor)
    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize(
    "uri",
    [
        "test://static/resource/0",
        "test://static/resource/101",
        "test://static/resource/x",
        "test://static/resource/001",
        "test://elsewhere",
        "ui://other/app.html",
    ],
)
@pytest.mark.parametrize(("era", "code"), [(LEGACY, RESOURCE_NOT_FOUND), (MODERN, INVALID_PARAMS)])
async def test_an_unknown_resource_is_named_in_the_error_of_its_revision(server, uri, era, code):
    # Specification, server/resources, "Error Handling": -32002 up to 2025-11-25, -32602 from 2026-07-28.
    async with connect(server, era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.code == code
    assert caught.value.data == {"uri": uri}


async def test_the_template_names_no_type_since_its_resources_differ(server, era):
    async with connect(server, era) as client:
        templates = (await client.list_resource_templates()).resource_templates
    (template,) = [one for one in templates if one.uri_template == "test://static/resource/{id}"]
    assert template.mime_type is None


@pytest.mark.parametrize("verb", ["list_tools", "list_prompts", "list_resource_templates"])
async def test_lists_say_in_2026_07_28_how_long_they_are_fresh(server, verb):
    async with connect(server, MODERN) as client:
        result = await getattr(client, verb)()
    assert result.ttl_ms > 0
    assert result.cache_scope in {"public", "private"}


async def test_results_that_differ_between_users_are_not_cached_publicly(server):
    async with connect(server, MODERN) as client:
        listed = await client.list_resources()
        read = await client.read_resource("test://static/resource/1")
    assert listed.cache_scope == read.cache_scope == "private"
    assert read.ttl_ms > 0
