"""The settings of this app: each typed, with its default and what it is for.

They are read at their first use, and again after a test has overridden one: the hot path reads several of
them for every request, and Django's settings object is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from mcp.server.auth.routes import build_resource_metadata_url
from pydantic import AnyHttpUrl


class Conf:
    """Typed access to the settings that begin with `MCP_`, and to `ALLOWED_HOSTS`."""

    def forget(self, **kwargs: Any) -> None:
        """Read everything anew at its next use."""
        vars(self).clear()

    @cached_property
    def allowed_hosts(self) -> tuple[str, ...]:
        """The hosts that are served here (Django's ALLOWED_HOSTS): the one source for all endpoints."""
        return tuple(settings.ALLOWED_HOSTS)

    @cached_property
    def resource_url(self) -> str:
        """The public URL of the MCP endpoint: the audience of its tokens (RFC 8707)."""
        url: str = settings.MCP_RESOURCE_URL
        return url

    @cached_property
    def sse_resource_url(self) -> str:
        """The public URL of the HTTP+SSE endpoint: clients know the same server by this address, too."""
        url: str = settings.MCP_SSE_RESOURCE_URL
        return url

    @cached_property
    def resource_metadata_url(self) -> str:
        """Where the metadata of the MCP endpoint is (RFC 9728 §3.1)."""
        return str(build_resource_metadata_url(AnyHttpUrl(self.resource_url)))

    @cached_property
    def sse_resource_metadata_url(self) -> str:
        """Where the metadata of the HTTP+SSE endpoint is."""
        return str(build_resource_metadata_url(AnyHttpUrl(self.sse_resource_url)))

    @cached_property
    def token_verifier(self) -> str:
        """Dotted path of the `mcp.server.auth.provider.TokenVerifier` that checks bearer tokens."""
        path: str = settings.MCP_TOKEN_VERIFIER
        return path

    @cached_property
    def issuer(self) -> str:
        """Who issues the tokens: the authorization server that this resource names (RFC 9728)."""
        issuer: str = settings.MCP_ISSUER
        return issuer

    @cached_property
    def token_audiences(self) -> Sequence[str]:
        """What a token of another server may name as its audience: by default one of the two endpoints."""
        audience: str | None = getattr(settings, "MCP_TOKEN_AUDIENCE", None)
        return (audience,) if audience else (self.resource_url, self.sse_resource_url)

    @cached_property
    def introspection_url(self) -> str:
        """Where the authorization server says what a token is worth (RFC 7662)."""
        url: str = settings.MCP_INTROSPECTION_URL
        return url

    @cached_property
    def introspection_credentials(self) -> tuple[str, str]:
        """The client id and secret with which this server asks there."""
        return settings.MCP_INTROSPECTION_CLIENT_ID, settings.MCP_INTROSPECTION_CLIENT_SECRET

    @cached_property
    def jwks_url(self) -> str:
        """Where the authorization server publishes the keys of its JWT access tokens."""
        url: str = settings.MCP_JWKS_URL
        return url

    @cached_property
    def jwt_types(self) -> Sequence[str]:
        """Which `typ` a JWT may have. RFC 9068 knows one; some servers write plain `JWT`."""
        return [name.lower() for name in getattr(settings, "MCP_JWT_TYPES", ["at+jwt"])]

    @cached_property
    def auth_server_timeout_seconds(self) -> float:
        """How long another authorization server may take before the request is answered with 503."""
        return getattr(settings, "MCP_AUTH_SERVER_TIMEOUT_SECONDS", 5.0)

    @cached_property
    def required_scopes(self) -> Sequence[str]:
        """The scopes that every request needs."""
        return getattr(settings, "MCP_REQUIRED_SCOPES", ("mcp",))

    @cached_property
    def allowed_origins(self) -> Sequence[str]:
        """Origins of browser clients, besides those on this computer."""
        return getattr(settings, "MCP_ALLOWED_ORIGINS", ())

    @cached_property
    def conformance_fixtures(self) -> bool:
        """Whether the tools, prompts and resources of the conformance suite are served as well."""
        return getattr(settings, "MCP_CONFORMANCE_FIXTURES", False)

    @cached_property
    def max_body_bytes(self) -> int:
        """The longest body that is read; a longer one is answered with 413."""
        return getattr(settings, "MCP_MAX_BODY_BYTES", 4 * 1024 * 1024)

    @cached_property
    def max_body_values(self) -> int:
        """The most JSON values that a request may have; one with more is answered with 413.

        Each is checked against a schema, and nobody else is served meanwhile.
        """
        return getattr(settings, "MCP_MAX_BODY_VALUES", 20_000)

    @cached_property
    def session_idle_seconds(self) -> int:
        """How long what a session holds (logs, pending messages, files) lives without use.

        Requests and open streams are use.
        """
        return getattr(settings, "MCP_SESSION_IDLE_SECONDS", 5 * 60)

    @cached_property
    def session_max_seconds(self) -> int:
        """How long a session lives from its `initialize`, however busy or idle it is.

        Most clients take a session that is gone for final, and never initialize again.
        """
        return getattr(settings, "MCP_SESSION_MAX_SECONDS", 24 * 60 * 60)

    @cached_property
    def max_sessions(self) -> int:
        """How many sessions a person may have; for a further one the oldest idle one ends."""
        return getattr(settings, "MCP_MAX_SESSIONS", 1000)

    @cached_property
    def cache_seconds(self) -> float:
        """How long a process trusts its copy of a session record or of a verified token.

        A change is announced to every process and takes effect at once; this bounds the damage of an
        announcement that was lost.
        """
        return getattr(settings, "MCP_CACHE_SECONDS", 5.0)

    @cached_property
    def cache_entries(self) -> int:
        """How many records, and how many tokens, a process remembers at the most."""
        return getattr(settings, "MCP_CACHE_ENTRIES", 20_000)

    @cached_property
    def stream_after_seconds(self) -> float:
        """How long a silent call may take before its answer becomes an event stream, which can be resumed."""
        return getattr(settings, "MCP_STREAM_AFTER_SECONDS", 0.25)

    @cached_property
    def keep_alive_seconds(self) -> float:
        """The longest silence on an event stream: proxies cut idle connections after 30 seconds or more."""
        return getattr(settings, "MCP_KEEP_ALIVE_SECONDS", 15.0)

    @cached_property
    def retry_milliseconds(self) -> int:
        """What clients are told to wait before they reconnect (the SSE field `retry`).

        The official SDKs wait for so long before each of two attempts, and then give up.
        """
        return getattr(settings, "MCP_RETRY_MILLISECONDS", 3000)

    @cached_property
    def client_request_seconds(self) -> float:
        """The longest that a client may take to answer a request of the server; a tool may ask for less."""
        return getattr(settings, "MCP_CLIENT_REQUEST_SECONDS", 600.0)

    @cached_property
    def event_log_length(self) -> int:
        """About how many messages a session's event log keeps for replay."""
        return getattr(settings, "MCP_EVENT_LOG_LENGTH", 1000)

    @cached_property
    def event_log_bytes(self) -> int:
        """How many bytes a session keeps for replay; its newest message stays in any case.

        Twice `max_stream_bytes`, as a full log keeps half: what a slow reader has not got must be there.
        """
        return getattr(settings, "MCP_EVENT_LOG_BYTES", 64 * 1024 * 1024)

    @cached_property
    def lease_seconds(self) -> float:
        """How long a running call is believed alive after its process last said so."""
        return getattr(settings, "MCP_LEASE_SECONDS", 10.0)

    @cached_property
    def max_subscriptions(self) -> int:
        """How many resources one session may subscribe to, or one `subscriptions/listen` of 2026-07-28."""
        return getattr(settings, "MCP_MAX_SUBSCRIPTIONS", 1000)

    @cached_property
    def max_calls(self) -> int:
        """How many calls one session may have running in one process."""
        return getattr(settings, "MCP_MAX_CALLS", 100)

    @cached_property
    def task_seconds(self) -> int:
        """How long a task lives from its creation, unless its tool says otherwise."""
        return getattr(settings, "MCP_TASK_SECONDS", 900)

    @cached_property
    def task_poll_milliseconds(self) -> int:
        """How often clients are told to look at a task."""
        return getattr(settings, "MCP_TASK_POLL_MILLISECONDS", 1000)

    @cached_property
    def max_tasks(self) -> int:
        """How many tasks a person may have with one client, ended ones that can still be read included."""
        return getattr(settings, "MCP_MAX_TASKS", 1000)

    @cached_property
    def shutdown_grace_seconds(self) -> float:
        """How long running calls and tasks may take to finish after SIGTERM, before they are handed over."""
        return getattr(settings, "MCP_SHUTDOWN_GRACE_SECONDS", 10.0)

    @cached_property
    def max_stream_bytes(self) -> int:
        """How much one connection is sent before its stream ends, to be resumed on a new connection.

        Daphne knows no back-pressure: what a slow reader has not taken waits in memory.
        """
        return getattr(settings, "MCP_MAX_STREAM_BYTES", 32 * 1024 * 1024)

    @cached_property
    def redis_timeout_seconds(self) -> float:
        """How long a Redis command may take before the request is answered with 503."""
        return getattr(settings, "MCP_REDIS_TIMEOUT_SECONDS", 3.0)

    @cached_property
    def redis_connections(self) -> int:
        """How many Redis connections a process opens at the most, besides the channel layer's two."""
        return getattr(settings, "MCP_REDIS_CONNECTIONS", 32)


conf = Conf()
setting_changed.connect(conf.forget, dispatch_uid="mcp_app.conf")
