"""The card, the catalog and the registry entry of a server, and how the first two are served."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import Icon
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.card import ai_catalog, registry_entry, server_card
from mcp_app.routing import mcp_application
from mcp_app.runtime import Runtime
from mcp_app.server import Engine
from tests.support import asgi
from tests.support.asgi import Http, Response

SCHEMAS = Path(asgi.__file__).with_name("schemas")
CARD = json.loads((SCHEMAS / "server-card.schema.json").read_text())
REGISTRY = json.loads((SCHEMAS / "server.schema.json").read_text())
SHOP = {"name": "my shop", "version": "1.2.3"}


def faults_of_card(card: dict[str, Any]) -> list[str]:
    schema = {**CARD, "$ref": "#/$defs/ServerCard"}
    return [
        error.message
        for error in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(card)
    ]


def faults_of_entry(entry: dict[str, Any]) -> list[str]:
    return [
        error.message
        for error in Draft7Validator(REGISTRY, format_checker=FormatChecker()).iter_errors(entry)
    ]


@pytest.fixture(autouse=True)
def address(settings: Any) -> None:
    settings.MCP_RESOURCE_URL = "https://mcp.example.com/shop/mcp"
    settings.MCP_SSE_RESOURCE_URL = "https://mcp.example.com/shop/sse"


def build(engine: Engine) -> MCPServer[Any]:
    return MCPServer(
        "shop",
        title="The shop",
        version="1.2.3",
        description="Sells apples.",
        website_url="https://example.com",
        icons=[Icon(src="https://example.com/icon.png", mime_type="image/png", sizes=["64x64"])],
        **engine.options(),
    )


async def ask(method: str, path: str, root_path: str = "", **headers: str) -> Response:
    application = mcp_application(asgi.not_found, runtime=Runtime(factory=build), needs={})

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "root_path": root_path}, receive, send)

    return await Http(mounted).request(method, path, headers={"host": "another.example", **headers})


def test_the_card_follows_its_schema_and_says_what_the_server_says() -> None:
    info = Runtime(factory=build).server.session_manager.app.server_info_stamp
    card = server_card(info)
    assert faults_of_card(card) == []
    assert card["name"] == "com.example.mcp/shop"
    assert {key: card[key] for key in ("title", "version", "description", "websiteUrl", "icons")} == {
        key: info[key] for key in ("title", "version", "description", "websiteUrl", "icons")
    }
    assert [remote["url"] for remote in card["remotes"]] == [
        "https://mcp.example.com/shop/mcp",
        "https://mcp.example.com/shop/sse",
    ]
    assert not {"tools", "capabilities", "packages"} & card.keys()


async def test_the_revisions_of_the_card_are_those_that_the_endpoints_serve() -> None:
    server = Runtime(factory=build).server
    streamable, sse = server_card(server.session_manager.app.server_info_stamp)["remotes"]
    async with Client(server) as client:
        assert client.protocol_version in streamable["supportedProtocolVersions"]
    named = [*sse["supportedProtocolVersions"], *streamable["supportedProtocolVersions"]]
    assert sorted(named) == sorted(KNOWN_PROTOCOL_VERSIONS)


def test_a_server_without_http_sse_has_one_remote(settings: Any) -> None:
    settings.MCP_HTTP_SSE = False
    assert [remote["type"] for remote in server_card(SHOP)["remotes"]] == ["streamable-http"]
    assert [remote["type"] for remote in registry_entry(SHOP)["remotes"]] == ["streamable-http"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://shop.example.com/mcp", "com.example.shop/my-shop"),
        ("http://localhost:3232/mcp", "localhost/my-shop"),
        ("http://127.0.0.1:3232/mcp", "127.0.0.1/my-shop"),
        ("http://[::1]:3232/mcp", "-1/my-shop"),
    ],
)
def test_any_server_has_a_valid_card_at_any_address(settings: Any, url: str, name: str) -> None:
    settings.MCP_RESOURCE_URL = url
    card = server_card(SHOP)
    assert card["name"] == name
    assert card["description"] == "my shop", "which a server without title and description still has"
    assert faults_of_card(card) == []
    assert faults_of_entry(registry_entry(SHOP)) == []


def test_settings_say_what_the_server_does_not(settings: Any) -> None:
    settings.MCP_SERVER_NAME = "io.github.someone/shop"
    settings.MCP_SERVER_DESCRIPTION = "Apples and pears."
    settings.MCP_SERVER_WEBSITE_URL = "https://shop.example.com"
    settings.MCP_SERVER_REPOSITORY_URL = "https://github.com/someone/shop"
    entry = registry_entry(SHOP)
    assert faults_of_entry(entry) == []
    assert entry["name"] == "io.github.someone/shop"
    assert entry["description"] == "Apples and pears."
    assert entry["websiteUrl"] == "https://shop.example.com"
    assert entry["repository"] == {"url": "https://github.com/someone/shop", "source": "github"}


def test_long_texts_are_cut_between_words() -> None:
    card = server_card({**SHOP, "title": "x" * 150, "description": "many words " * 20})
    assert faults_of_card(card) == []
    assert card["description"].endswith(("many…", "words…"))


async def test_the_card_is_where_the_specification_reserves_a_place_and_the_catalog_names_it() -> None:
    card = await ask("GET", "/shop/mcp/server-card")
    assert (card.status, card.content_type) == (200, "application/mcp-server-card+json")
    catalog = await ask("GET", "/.well-known/ai-catalog.json")
    assert (catalog.status, catalog.content_type) == (200, "application/ai-catalog+json")
    assert await catalog.json() == {
        "specVersion": "1.0",
        "entries": [
            {
                "identifier": "urn:air:mcp.example.com:mcp:shop",
                "type": card.content_type,
                "url": "https://mcp.example.com/shop/mcp/server-card",
            }
        ],
    }
    assert faults_of_card(await card.json()) == []


@pytest.mark.parametrize("root_path", ["/shop", "/elsewhere"])
async def test_both_are_found_where_the_application_is_mounted(root_path: str) -> None:
    assert (await ask("GET", f"{root_path}/.well-known/ai-catalog.json", root_path)).status == 200
    assert (await ask("GET", "/.well-known/ai-catalog.json", root_path)).status == 200
    if root_path == "/shop":
        assert (await ask("GET", "/mcp/server-card", root_path)).status == 200
        assert (await ask("GET", "/shop/mcp/server-card", root_path)).status == 200


async def test_an_endpoint_at_the_root_of_its_host_has_its_card_there(settings: Any) -> None:
    settings.MCP_RESOURCE_URL = "https://mcp.example.com"
    assert (await ask("GET", "/server-card")).status == 200
    assert ai_catalog(SHOP)["entries"][0]["url"] == "https://mcp.example.com/server-card"


@pytest.mark.parametrize("path", ["/shop/mcp/server-card", "/.well-known/ai-catalog.json"])
async def test_pages_of_any_origin_may_read_and_keep_them(path: str) -> None:
    response = await ask("GET", path, origin="https://anywhere.example")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-expose-headers"] == "ETag"
    assert response.headers["cache-control"] == "public, max-age=3600"
    again = await ask("GET", path, **{"if-none-match": f'"other", W/{response.headers["etag"]}'})
    assert (again.status, await again.body()) == (304, b"")
    assert again.headers["etag"] == response.headers["etag"]
    assert (await ask("GET", path, **{"if-none-match": '"other"'})).status == 200


async def test_a_preflight_is_allowed_to_ask_with_a_tag() -> None:
    response = await ask(
        "OPTIONS", "/shop/mcp/server-card", **{"access-control-request-headers": "if-none-match"}
    )
    assert response.status == 204
    assert response.headers["access-control-allow-methods"] == "GET"
    assert response.headers["access-control-allow-headers"] == "Content-Type, If-None-Match"


async def test_head_has_the_headers_of_get_and_other_methods_are_405() -> None:
    full = await ask("GET", "/shop/mcp/server-card")
    head = await ask("HEAD", "/shop/mcp/server-card")
    assert head.headers == full.headers
    assert await head.body() == b""
    refused = await ask("POST", "/shop/mcp/server-card")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert await refused.json() == {"error": "method_not_allowed"}


async def test_both_can_be_turned_off(settings: Any) -> None:
    settings.MCP_AI_CATALOG = False
    with pytest.raises(AssertionError, match="no path of MCP"):
        await ask("GET", "/.well-known/ai-catalog.json")
    assert (await ask("GET", "/shop/mcp/server-card")).status == 200
    settings.MCP_SERVER_CARD = False
    with pytest.raises(AssertionError, match="no path of MCP"):
        await ask("GET", "/shop/mcp/server-card")


def entry_by_command() -> tuple[dict[str, Any], str]:
    printed, said = StringIO(), StringIO()
    call_command("server_json", stdout=printed, stderr=said)
    return json.loads(printed.getvalue()), said.getvalue()


def test_the_command_prints_an_entry_that_a_registry_takes(settings: Any) -> None:
    settings.STATIC_URL = "/static/"
    entry, said = entry_by_command()
    assert faults_of_entry(entry) == []
    assert entry["version"] == Runtime().server.version
    assert said == ""


def test_the_command_says_what_a_registry_would_refuse(settings: Any) -> None:
    settings.MCP_SERVER_NAME = "com.other/shop"
    assert "com.other" in entry_by_command()[1]
    settings.MCP_SERVER_NAME = "com.example/shop"
    assert entry_by_command()[1] == ""
    settings.MCP_RESOURCE_URL = "http://localhost:3232/mcp"
    assert "cannot be reached" in entry_by_command()[1]
