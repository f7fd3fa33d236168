"""The settings by which others find this server and learn about it, in cards, registries and metadata."""

from __future__ import annotations

from mcp_app.app_settings import AppSettings, Setting
from mcp_app.validators import SERVER_NAME, SHORT, URL


class DiscoveryConf(AppSettings):
    """A part of the settings of this app; see `conf`."""

    prefix = "MCP_"

    server_card = Setting(
        True,
        "whether the card of the server is served, at `server-card` below the endpoint (SEP-2127)",
    )
    ai_catalog = Setting(
        True,
        "whether `/.well-known/ai-catalog.json` is served, with this server as its only entry; turn it off "
        "if the project has a catalog of its own",
    )
    server_name = Setting(
        "",
        "the name of the server in cards and registries: a domain with its parts in reverse, and a name",
        follows="the host of the endpoint and the server's name, such as `com.example.mcp/shop`",
        must_be=SERVER_NAME,
    )
    server_description = Setting(
        "",
        "what the server does, in up to 100 characters, for cards and registries",
        follows="the server's `description`, or its title",
        must_be=SHORT,
    )
    server_website_url = Setting(
        "",
        "the page about the server, for cards and registries",
        follows="the server's `website_url`",
        must_be=URL,
    )
    server_repository_url = Setting(
        "", "where its source is, for cards and registries; empty if it is not public", must_be=URL
    )
    resource_name = Setting(
        "", "the name of this server in its metadata, for users (RFC 9728 §2); empty for none"
    )
    resource_documentation = Setting(
        "",
        "the page for people who use or build clients, in the metadata of the resource (RFC 9728 §2); empty "
        "for none",
        variable="DOCUMENTATION_URL",
        follows="`BASE_URI/documentation`",
        must_be=URL,
    )
    resource_policy_uri = Setting(
        "",
        "the page that says what happens to data (RFC 9728 §2); empty for none",
        variable="PRIVACY_URL",
        follows="`BASE_URI/privacy`",
        must_be=URL,
    )
    resource_tos_uri = Setting(
        "",
        "the terms of service (RFC 9728 §2); empty for none",
        variable="TERMS_URL",
        follows="`BASE_URI/terms`",
        must_be=URL,
    )
