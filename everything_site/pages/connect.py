"""How to connect clients to this server: commands, configurations and links, with its URL filled in."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from django.utils.html import format_html
from django.utils.safestring import SafeString

NAME = "everything"
"""What clients call this server in their configuration."""


@dataclass(frozen=True)
class Snippet:
    """Text to copy.

    Args:
        label: What it is, such as "In a terminal".
        text: The text.
    """

    label: str
    text: str


@dataclass(frozen=True)
class Client:
    """One client, and how to connect it.

    Args:
        slug: Part of the id of its section.
        name: Its name.
        snippets: What to copy, in order.
        then: What to do in the client afterwards, or instead, as HTML.
        link: A link that opens the client, if it has such links.
    """

    slug: str
    name: str
    snippets: tuple[Snippet, ...]
    then: SafeString
    link: str = ""


def clients(url: str) -> list[Client]:
    """The clients, in the order of their tabs.

    Args:
        url: The URL of the MCP endpoint.
    """
    vscode = {"servers": {NAME: {"type": "http", "url": url}}}
    cursor = {"mcpServers": {NAME: {"url": url}}}
    return [
        Client(
            "inspector",
            "Inspector",
            (
                Snippet("In a terminal", f"{_INSPECTOR} --transport http --server-url {url}"),
                Snippet(
                    "Without its page",
                    f"{_INSPECTOR} --cli --transport http --server-url {url} --method tools/list",
                ),
            ),
            format_html(
                "A page opens, in which you connect to the server. Needs Node.js 22.19 or newer. "
                "Add {} for revision 2026-07-28.",
                _code("--protocol-era modern"),
            ),
        ),
        Client(
            "claude-code",
            "Claude Code",
            (Snippet("In a terminal", f"claude mcp add --transport http {NAME} {url}"),),
            format_html(
                "In Claude Code enter {}, select the server and choose <b>Authenticate</b>.", _code("/mcp")
            ),
        ),
        Client(
            "vscode",
            "VS Code",
            (Snippet(".vscode/mcp.json", _pretty(vscode)),),
            SafeString("Click <b>Start</b> above the entry in the file, and sign in when asked."),
            "vscode:mcp/install?" + quote(_compact({"name": NAME, "type": "http", "url": url}), safe=""),
        ),
        Client(
            "cursor",
            "Cursor",
            (Snippet(".cursor/mcp.json", _pretty(cursor)),),
            SafeString("In the settings under <b>MCP</b>, click <b>Connect</b>."),
            "cursor://anysphere.cursor-deeplink/mcp/install?"
            + urlencode({"name": NAME, "config": base64.b64encode(_compact({"url": url}).encode()).decode()}),
        ),
        Client(
            "chatgpt",
            "ChatGPT",
            (Snippet("URL of the server", url),),
            _chatgpt(url),
        ),
        Client(
            "gemini-cli",
            "Gemini CLI",
            (
                Snippet("In a terminal", f"gemini mcp add --transport http --scope user {NAME} {url}"),
                Snippet("In Antigravity", f"agy mcp add {NAME} {url}"),
            ),
            format_html(
                "Then enter {}. In {} the key is {}; {} stands for HTTP+SSE. "
                "Personal accounts use Antigravity.",
                _code(f"/mcp auth {NAME}"),
                _code("settings.json"),
                _code("httpUrl"),
                _code("url"),
            ),
        ),
        Client(
            "goose",
            "Goose",
            (Snippet("In a terminal", f'goose session --with-streamable-http-extension "{url}"'),),
            SafeString("Your browser opens to sign in."),
            "goose://extension?"
            + urlencode(
                {
                    "type": "streamable_http",
                    "url": url,
                    "id": NAME,
                    "name": "Everything Server",
                    "description": "Every feature of the Model Context Protocol",
                },
                quote_via=quote,
            ),
        ),
        Client(
            "codex",
            "Codex",
            (Snippet("In a terminal", f"codex mcp add {NAME} --url {url}\ncodex mcp login {NAME}"),),
            SafeString("The second command opens your browser to sign in."),
        ),
        Client(
            "python",
            "Python",
            (Snippet("Install", "pip install mcp"), Snippet("Run", _PYTHON.replace("URL", url))),
            _TOKEN,
        ),
        Client("curl", "curl", (Snippet("At revision 2026-07-28", _CURL.replace("URL", url)),), _TOKEN),
    ]


def _code(text: str) -> SafeString:
    return format_html("<code>{}</code>", text)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2)


def _chatgpt(url: str) -> SafeString:
    menu = SafeString(
        "Open <b>Settings → Apps → Advanced settings</b>, turn on <b>Developer mode</b>, "
        "choose <b>Create app</b>, enter the URL and select <b>OAuth</b>."
    )
    if urlsplit(url).scheme == "https":
        return menu
    return format_html(
        "{} ChatGPT connects from the internet, so this works only once the server has a public https URL.",
        menu,
    )


_INSPECTOR = "npx -y @modelcontextprotocol/inspector@latest"

_TOKEN = format_html(
    'Set {} to an access token: sign in at <a href="/try">Try</a> and choose <b>Copy token</b>.',
    _code("MCP_TOKEN"),
)

_PYTHON = """\
import asyncio, os, httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

async def main():
    headers = {"Authorization": "Bearer " + os.environ["MCP_TOKEN"]}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client("URL", http_client=http)) as client,
    ):
        print(await client.call_tool("add", {"a": 2, "b": 40}))

asyncio.run(main())"""

_CURL = """\
curl URL \\
  -H "Authorization: Bearer $MCP_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -H 'Accept: application/json, text/event-stream' \\
  -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: add' \\
  -d '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "add", "arguments": {"a": 2, "b": 40},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                  "io.modelcontextprotocol/clientInfo": {"name": "curl", "version": "8"},
                  "io.modelcontextprotocol/clientCapabilities": {}}}}'"""
