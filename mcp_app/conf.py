"""The settings of this app, which start with `MCP_`, and values derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings

from mcp_app.app_settings import AppSettings, Setting


def _is_resource(text: str) -> bool:
    url = urlsplit(text)
    return url.scheme in ("http", "https") and not (url.query or url.fragment or text.endswith("/"))


def _is_origin(text: str) -> bool:
    url = urlsplit(text)
    return bool(url.scheme and url.netloc) and not (url.path or url.query or url.fragment)


def _is_scope(text: str) -> bool:
    return bool(text) and " " not in text


_RESOURCE = ("a URL without query, fragment or trailing slash", _is_resource)


class Conf(AppSettings):
    """Typed access to the settings of this app."""

    prefix = "MCP_"

    # --- The server

    server = Setting(
        "",
        "dotted path of the function `(Engine) -> MCPServer` that builds the server",
        must_be=("the dotted path of a function", bool),
        follows="`everything_site.demo.server.build`",
    )
    # Some clients read only the first page.
    page_size = Setting(200, "tools, prompts or templates in a page of a list", minimum=1)
    resource_page_size = Setting(10, "resources in a page of `resources/list`", minimum=1)

    # --- Addresses and tokens

    resource_url = Setting(
        "",
        "the public URL of the endpoint, and what tokens are for (RFC 8707); no trailing slash",
        variable="BASE_URI",
        follows="`BASE_URI/mcp`",
        must_be=_RESOURCE,
    )
    sse_resource_url = Setting(
        "",
        "the public URL of the HTTP+SSE endpoint, by which its clients know the same server",
        variable="BASE_URI",
        follows="`BASE_URI/sse`",
        must_be=_RESOURCE,
    )
    token_verifier = Setting(
        "",
        "dotted path of the `mcp.server.auth.provider.TokenVerifier` that checks tokens",
        variable="TOKEN_VERIFICATION",
        follows="follows from `AUTH_MODE` and `TOKEN_VERIFICATION`",
    )
    issuer = Setting(
        "",
        "the authorization server that clients are sent to (RFC 9728)",
        variable="AUTH_SERVER_ISSUER",
        follows="`AUTH_SERVER_URL`",
        must_be=("the URL of the authorization server", bool),
    )
    token_audience = Setting(
        "",
        "what the tokens of another server name as their audience, if neither of the two URLs of this server",
        variable="TOKEN_AUDIENCE",
        follows="`BASE_URI/mcp` or `BASE_URI/sse`",
    )
    introspection_url = Setting(
        "",
        "where the other server says what a token is worth (RFC 7662)",
        variable="INTROSPECTION_URL",
        follows="`AUTH_SERVER_URL/introspect`",
    )
    introspection_client_id = Setting(
        "",
        "as whom to ask there; must be set when `DEBUG` is off",
        variable="INTROSPECTION_CLIENT_ID",
        follows="in development `mcp-server`",
    )
    introspection_client_secret = Setting(
        "",
        "the secret that goes with it; must be set when `DEBUG` is off",
        variable="INTROSPECTION_CLIENT_SECRET",
        follows="in development it follows from `SECRET_KEY`",
        secret=True,
    )
    jwks_url = Setting("", "where the keys of JWT access tokens are; needed for `jwt`", variable="JWKS_URL")
    # RFC 9068 has only this one; some servers use plain `JWT`.
    jwt_types = Setting[Sequence[str]](("at+jwt",), "which `typ` a JWT may have", variable="JWT_TYPES")
    auth_server_timeout_seconds = Setting(
        5.0, "how long another authorization server may take before the answer is 503", minimum=0.1
    )
    required_scopes = Setting[Sequence[str]](
        ("mcp",), "scopes that every request needs", must_be=("a list of scopes", _is_scope)
    )
    allowed_origins = Setting[Sequence[str]](
        (),
        "browser pages that may call the MCP endpoints; pages on this computer always may",
        variable="ALLOWED_ORIGINS",
        follows="the origin of `BASE_URI`",
        must_be=("a list of origins such as https://app.example.com", _is_origin),
    )

    # --- Requests

    max_body_bytes = Setting(
        4 * 1024 * 1024, "the longest request body; more is answered with 413", minimum=1
    )
    # Validating the values blocks the event loop.
    max_body_values = Setting(
        20_000, "the most JSON values in a body, at any depth; more is answered with 413", minimum=100
    )
    max_calls = Setting(100, "calls that a session may have running in one process", minimum=1)
    max_subscriptions = Setting(
        1000,
        "resources that a session or a `subscriptions/listen` may subscribe to; a listen acknowledges those "
        "that fit, of 2,048 characters at the most",
    )
    client_request_seconds = Setting(
        600.0, "the longest a client may take to answer the server; a tool may ask for less", minimum=1
    )

    # --- Sessions. Redis takes lifetimes in whole seconds.

    session_idle_seconds = Setting(
        5 * 60,
        "how long what a session holds (event log, pending messages, files) lives without a request or an "
        "open stream",
        minimum=1,
        up_to="session_max_seconds",
    )
    # Most clients do not initialize again after their session has ended.
    session_max_seconds = Setting(
        24 * 60 * 60, "how long a session lives, in use or idle: so long a client may be away", minimum=1
    )
    max_sessions = Setting(
        1000,
        "sessions that a person may have, with all clients together; for one more the oldest idle one ends, "
        "or `initialize` is answered with 429 when all are in use",
        minimum=1,
    )
    session_data_bytes = Setting(
        32 * 1024 * 1024, "how many bytes tools may keep for one session, in base64", minimum=0
    )
    # This limits the effect of a lost message.
    cache_seconds = Setting(
        5.0,
        "how long a process trusts its copy of a session or a token; changes are announced and work at once",
        below=("session_idle_seconds", "a session would lose its logs while it is in use"),
    )
    cache_entries = Setting(20_000, "how many of each a process remembers", minimum=1)
    lease_seconds = Setting(
        10.0,
        "how long a call is believed alive after its process last said so",
        minimum=1,
        below=("session_idle_seconds", "a session would lose its calls while they run"),
    )

    # --- Streams

    stream_after_seconds = Setting(
        0.25, "how long a silent call may take before its answer becomes an event stream"
    )
    # Proxies cut idle connections after 30 seconds or more.
    keep_alive_seconds = Setting(
        15.0,
        "the longest silence on an event stream; less than your proxy's patience",
        minimum=1,
        below=("session_idle_seconds", "a session would lose its logs while its streams are open"),
    )
    retry_milliseconds = Setting(
        3000,
        "how long clients are told to wait before they reconnect (the SSE field `retry`); the official SDKs "
        "try twice and then give up, so this decides how long an outage they survive",
    )
    event_log_length = Setting(1000, "about how many messages a session keeps for replay", minimum=1)
    # A full log is trimmed to half, which must still hold everything that a slow reader has not received.
    event_log_bytes = Setting(
        64 * 1024 * 1024,
        "how many bytes of messages a session keeps for replay; twice `MCP_MAX_STREAM_BYTES` or more",
        minimum=1,
    )
    # Daphne has no back-pressure: what a slow client has not read stays in memory.
    max_stream_bytes = Setting(
        32 * 1024 * 1024,
        "how much one connection is sent before it must reconnect: the memory that a slow reader can take",
        minimum=1024,
    )

    # --- Tasks

    task_seconds = Setting(
        900, "how long a task lives from its creation, unless its tool says otherwise", minimum=1
    )
    task_poll_milliseconds = Setting(1000, "how often clients are told to look at a task", minimum=1)
    max_tasks = Setting(1000, "tasks of a person with one client, ended ones that can still be read included")

    # --- Processes

    shutdown_grace_seconds = Setting(
        10.0, "how long calls and tasks may take to finish after SIGTERM, before they are handed over"
    )
    redis_timeout_seconds = Setting(3.0, "how long Redis may take before the answer is 503", minimum=0.1)
    redis_connections = Setting(
        32, "the most Redis connections of a process, besides those of channels and rate limits", minimum=1
    )

    @cached_property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Django's ALLOWED_HOSTS, which applies to all endpoints."""
        return tuple(settings.ALLOWED_HOSTS)

    @cached_property
    def resource_metadata_url(self) -> str:
        """The metadata URL of the MCP endpoint (RFC 9728 §3.1)."""
        return _metadata_url(self.resource_url)

    @cached_property
    def sse_resource_metadata_url(self) -> str:
        """The metadata URL of the HTTP+SSE endpoint."""
        return _metadata_url(self.sse_resource_url)

    @cached_property
    def token_audiences(self) -> Sequence[str]:
        """The accepted audiences of another server's tokens: by default the two endpoints."""
        return (self.token_audience,) if self.token_audience else (self.resource_url, self.sse_resource_url)

    @cached_property
    def introspection_credentials(self) -> tuple[str, str]:
        """The client id and secret for introspection."""
        return self.introspection_client_id, self.introspection_client_secret


def _metadata_url(resource_url: str) -> str:
    from mcp.server.auth.routes import (
        build_resource_metadata_url,
    )  # slow to import, and settings.py imports this module
    from pydantic import AnyHttpUrl

    return str(build_resource_metadata_url(AnyHttpUrl(resource_url)))


conf = Conf()
