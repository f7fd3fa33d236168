"""Skills (SEP-2640): their entries, files and directories, and invalid ones."""

import hashlib

import pytest
from mcp.server.connection import Connection
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_one
from mcp.shared.exceptions import MCPError
from mcp_types import CLIENT_CAPABILITIES_META_KEY, INVALID_PARAMS, PROTOCOL_VERSION_META_KEY

from mcp_app.extensions.skills.extension import IDENTIFIER, Skills
from mcp_app.extensions.skills.skill import load_skills, parse_frontmatter
from tests.everything_site.demo.support import build_server

from .support import MODERN, Request

SKILL = "---\nname: {name}\ndescription: Does a thing\n---\n\nBody.\n"


@pytest.fixture(scope="module")
def server():
    return build_server()


async def send(server, method, params=None, version=MODERN):
    meta = {PROTOCOL_VERSION_META_KEY: version, CLIENT_CAPABILITIES_META_KEY: {}}
    connection = Connection.from_envelope(version, None, {})
    app = server.session_manager.app
    return await serve_one(
        app, Request(), method, {**(params or {}), "_meta": meta}, connection=connection, lifespan_state={}
    )


async def everything(server, method, params=None, key="skills"):
    found, cursor = [], None
    while True:
        result = await send(server, method, {**(params or {}), **({"cursor": cursor} if cursor else {})})
        found += result[key]
        cursor = result.get("nextCursor")
        if cursor is None:
            return found


async def test_the_extension_is_advertised_with_its_setting(server):
    capabilities = (await send(server, "server/discover"))["capabilities"]
    assert capabilities["extensions"][IDENTIFIER] == {"directoryRead": True}
    assert capabilities["resources"] is not None


async def test_every_file_reads_as_its_entry_says(server):
    skills = await everything(server, "skills/list")
    assert len(skills) == 3
    for skill in skills:
        assert skill["resources"][0]["uri"] == skill["uri"]
        assert skill["uri"].split("/")[-2] == skill["frontmatter"]["name"]
        for file in skill["resources"]:
            (contents,) = (await send(server, "resources/read", {"uri": file["uri"]}))["contents"]
            data = contents["text"].encode()
            assert len(data) == file["size"]
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == file["digest"]


async def test_an_entry_is_the_same_alone_and_in_the_list(server):
    for skill in await everything(server, "skills/list"):
        got = await send(server, "skills/get", {"uri": skill["uri"]})
        assert got["skill"] == skill
        assert got["resultType"] == "complete"
        assert (got["ttlMs"], got["cacheScope"]) == (300_000, "public")
        assert "nextCursor" not in got


async def test_the_list_comes_in_pages(server):
    first = await send(server, "skills/list")
    assert len(first["skills"]) == 2
    assert first["ttlMs"] == 300_000
    second = await send(server, "skills/list", {"cursor": first["nextCursor"]})
    assert len(second["skills"]) == 1
    assert "nextCursor" not in second


async def test_older_revisions_get_no_caching_hints(server):
    result = await send(server, "skills/list", version="2025-11-25")
    assert result["skills"]
    assert not {"ttlMs", "cacheScope", "resultType"} & set(result)


@pytest.mark.parametrize(
    "uri",
    ["skill://nope/SKILL.md", "skill://try-everything", "skill://try-everything/references/errors.md", ""],
)
async def test_a_uri_that_is_not_a_skill_is_an_error(server, uri):
    with pytest.raises(MCPError) as caught:
        await send(server, "skills/get", {"uri": uri})
    assert caught.value.code == INVALID_PARAMS


async def test_directories_list_their_direct_children(server):
    root = await everything(
        server, "resources/directory/read", {"uri": "skill://everything/take-notes"}, "resources"
    )
    assert [(child["name"], child["mimeType"]) for child in root] == [
        ("take-notes", "text/markdown"),
        ("templates", "inode/directory"),
    ]
    inner = await everything(server, "resources/directory/read", {"uri": root[1]["uri"]}, "resources")
    assert {child["name"] for child in inner} == {"meetings", "todo.md"}
    above = await everything(server, "resources/directory/read", {"uri": "skill://everything"}, "resources")
    assert [child["mimeType"] for child in above] == ["inode/directory"] * 2


@pytest.mark.parametrize(
    "uri", ["skill://try-everything/SKILL.md", "skill://try-everything/", "skill://nope", "skill:/", ""]
)
async def test_a_uri_that_is_not_a_directory_is_an_error(server, uri):
    with pytest.raises(MCPError) as caught:
        await send(server, "resources/directory/read", {"uri": uri})
    assert caught.value.code == INVALID_PARAMS


async def test_a_cursor_of_one_directory_is_refused_in_another(tmp_path):
    for name in ("one", "two"):
        for file in ("a.md", "b.md"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file).write_text("x")
        (tmp_path / name / "SKILL.md").write_text(SKILL.format(name=name))
    server = MCPServer("test", extensions=[Skills(load_skills(tmp_path), page_size=1)])
    server.streamable_http_app()
    first = await send(server, "resources/directory/read", {"uri": "skill://one"})
    with pytest.raises(MCPError):
        await send(server, "resources/directory/read", {"uri": "skill://two", "cursor": first["nextCursor"]})


async def test_the_manifest_is_listed_as_a_resource_with_the_words_of_its_frontmatter(server):
    (skill,) = [
        skill
        for skill in await everything(server, "skills/list")
        if skill["frontmatter"]["name"] == "try-everything"
    ]
    listed = await everything(server, "resources/list", key="resources")
    (manifest,) = [resource for resource in listed if resource["uri"] == skill["uri"]]
    assert manifest["name"] == skill["frontmatter"]["name"]
    assert manifest["description"] == skill["frontmatter"]["description"]
    assert manifest["mimeType"] == "text/markdown"


def test_frontmatter_is_read_as_every_yaml_parser_reads_it():
    text = '---\nname: a\ndescription: "x: y # z"\nlicense: MIT\nmetadata:\n  version: "1.0"\n---\nBody'
    assert parse_frontmatter(text) == {
        "name": "a",
        "description": "x: y # z",
        "license": "MIT",
        "metadata": {"version": "1.0"},
    }


@pytest.mark.parametrize(
    "line",
    [
        "a: 1",
        "a: true",
        "a: No",
        "a: x: y",
        "a: x # y",
        "a: [b]",
        "a: |",
        "a: 'b'",
        "- a",
        "  a: b",
        "a: x:",
    ],
)
def test_frontmatter_that_could_be_read_in_two_ways_is_refused(line):
    with pytest.raises(ValueError):
        parse_frontmatter(f"---\n{line}\n---\n")


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("one", SKILL.format(name="two")),
        ("One", SKILL.format(name="One")),
        ("a--b", SKILL.format(name="a--b")),
        ("one", "---\nname: one\n---\n"),
        ("one", "# no frontmatter\n"),
    ],
)
def test_a_skill_that_breaks_the_rules_is_not_served(tmp_path, folder, text):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "SKILL.md").write_text(text)
    with pytest.raises(ValueError):
        load_skills(tmp_path)
