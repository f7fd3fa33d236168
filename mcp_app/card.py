"""What the server says about itself to those who look for servers: its card, the catalog of its host, and the
entry of a registry. All are made from the server and its settings.

SEP-2127 (Server Cards) with its discovery.md; AI Catalog 1.0; the registry's server.json of 2025-12-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS

from mcp_app.conf import conf

CARD_SCHEMA = "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json"
CARD_TYPE = "application/mcp-server-card+json"
CARD_SUFFIX = "/server-card"
"""What follows the URL of the endpoint (SEP-2127, discovery.md, "Hosted Server Card Location")."""
CATALOG_PATH = "/.well-known/ai-catalog.json"
CATALOG_TYPE = "application/ai-catalog+json"
REGISTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

MAX_TEXT_LENGTH = 100
"""The maximum length of a title and of a description, in characters."""

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_SOURCES = {"github.com": "github", "gitlab.com": "gitlab"}

Info = Mapping[str, Any]
"""The `serverInfo` of the server, as clients get it."""


def server_card(info: Info) -> dict[str, Any]:
    """The card: who the server is, and how to connect. Tools, resources and prompts are no part of it."""
    remotes = [
        {
            "type": "streamable-http",
            "url": conf.resource_url,
            "supportedProtocolVersions": [*KNOWN_PROTOCOL_VERSIONS[1:]],
        }
    ]
    if conf.http_sse:
        remotes.append(
            {
                "type": "sse",
                "url": conf.sse_resource_url,
                "supportedProtocolVersions": [*HANDSHAKE_PROTOCOL_VERSIONS[:1]],
            }
        )
    return {"$schema": CARD_SCHEMA, **_identity(info), "remotes": remotes}


def ai_catalog(info: Info) -> dict[str, Any]:
    """The catalog of this host, with this server as its only entry."""
    host = urlsplit(conf.resource_url).hostname or ""
    name = _name(info).rpartition("/")[2]
    entry = {
        "identifier": f"urn:air:{host}:mcp:{name}",
        "type": CARD_TYPE,
        "url": f"{conf.resource_url}{CARD_SUFFIX}",
    }
    return {"specVersion": "1.0", "entries": [entry]}


def registry_entry(info: Info) -> dict[str, Any]:
    """The server.json, for registries. It differs from the card in its schema, and names no revisions."""
    remotes = [{"type": "streamable-http", "url": conf.resource_url}]
    if conf.http_sse:
        remotes.append({"type": "sse", "url": conf.sse_resource_url})
    return {"$schema": REGISTRY_SCHEMA, **_identity(info), "remotes": remotes}


def _identity(info: Info) -> dict[str, Any]:
    title = info.get("title") or ""
    description = conf.server_description or info.get("description") or title or info["name"]
    website = conf.server_website_url or info.get("websiteUrl") or ""
    repository = conf.server_repository_url
    found = {
        "name": _name(info),
        "title": _shortened(title),
        "description": _shortened(description),
        "version": info["version"],
        "websiteUrl": website,
        "repository": {"url": repository, "source": _source(repository)} if repository else None,
        "icons": info.get("icons"),
    }
    return {key: value for key, value in found.items() if value}


def _name(info: Info) -> str:
    """The name of the server below that of its host, with the parts in reverse: `com.example.mcp/shop`."""
    if conf.server_name:
        return conf.server_name
    host = urlsplit(conf.resource_url).hostname or ""
    is_address = ":" in host or host.replace(".", "").isdigit()
    namespace = _NO_NAME.sub("-", host) if is_address else ".".join(reversed(host.split(".")))
    return f"{namespace}/{_NO_NAME.sub('-', info['name'])}"


def _source(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return _SOURCES.get(host, host)


def _shortened(text: str) -> str:
    """The text, cut between words if it is longer than `MAX_TEXT_LENGTH`."""
    if len(text) <= MAX_TEXT_LENGTH:
        return text
    return f"{text[: MAX_TEXT_LENGTH - 1].rpartition(' ')[0] or text[: MAX_TEXT_LENGTH - 1]}…"
