"""What the landing page lets people copy: it names this server, and its links say the same."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.test import Client as Http

from everything_site.pages.connect import Client, clients

URL = "https://mcp.example.com/mcp"
CLIENTS = {client.slug: client for client in clients(URL)}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_one_snippet_of_each_client_names_the_server(client: Client) -> None:
    assert any(URL in snippet.text for snippet in client.snippets)
    assert not any(re.search(r"\bURL\b", snippet.text) for snippet in client.snippets)
    assert client.then


def test_the_inspector_is_run_at_its_latest_version_and_without_a_question() -> None:
    """Without `@latest` npm takes an old version on an older Node.js; without `-y` npx asks first."""
    for snippet in CLIENTS["inspector"].snippets:
        assert snippet.text.startswith("npx -y @modelcontextprotocol/inspector@latest ")


def test_the_link_of_vs_code_configures_what_the_file_does() -> None:
    link = json.loads(unquote(urlsplit(CLIENTS["vscode"].link).query))
    [snippet] = CLIENTS["vscode"].snippets
    assert json.loads(snippet.text)["servers"] == {link.pop("name"): link}


def test_the_link_of_cursor_configures_what_the_file_does() -> None:
    query = parse_qs(urlsplit(CLIENTS["cursor"].link).query)
    [snippet] = CLIENTS["cursor"].snippets
    [name], [configuration] = query["name"], query["config"]
    assert json.loads(snippet.text)["mcpServers"] == {name: json.loads(base64.b64decode(configuration))}


def test_the_link_of_goose_names_the_server() -> None:
    assert parse_qs(urlsplit(CLIENTS["goose"].link).query)["url"] == [URL]


@pytest.mark.parametrize(("url", "warned"), [(URL, False), ("http://localhost:3232/mcp", True)])
def test_chatgpt_is_said_to_need_a_public_url_where_there_is_none(url: str, warned: bool) -> None:
    [chatgpt] = [client for client in clients(url) if client.slug == "chatgpt"]
    assert ("from the internet" in chatgpt.then) is warned


@pytest.mark.django_db
def test_the_landing_page_shows_every_snippet_without_scripts() -> None:
    page = Http().get("/").content.decode()
    shown = [unescape(code) for code in re.findall(r'<code id="snippet-[^"]*">(.*?)</code>', page, re.DOTALL)]
    assert shown == [
        snippet.text for client in clients("http://localhost:3232/mcp") for snippet in client.snippets
    ]


def test_the_landing_page_leads_to_the_scene_in_which_a_process_dies() -> None:
    page = Http().get("/").content.decode()
    links = re.findall(r'href="/try#/tools/longRunningOperation\?([^"]+)"', page)
    [scene] = [parse_qs(unescape(link)).get("scene") for link in links]
    assert scene == ["kill"]
