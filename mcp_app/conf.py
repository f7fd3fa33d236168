"""The settings of this app: each typed, with its default and what it is for.

They are read when they are used, so that tests may override them.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings


class Conf:
    """Typed access to the settings that begin with `MCP_`."""

    @property
    def resource_url(self) -> str:
        """The public URL of the MCP endpoint: the audience of its tokens (RFC 8707)."""
        url: str = settings.MCP_RESOURCE_URL
        return url

    @property
    def token_verifier(self) -> str:
        """Dotted path of the `mcp.server.auth.provider.TokenVerifier` that checks bearer tokens."""
        path: str = settings.MCP_TOKEN_VERIFIER
        return path

    @property
    def required_scopes(self) -> Sequence[str]:
        """The scopes that every request needs."""
        return getattr(settings, "MCP_REQUIRED_SCOPES", ("mcp",))

    @property
    def allowed_origins(self) -> Sequence[str]:
        """Origins of browser clients, besides those on this computer."""
        return getattr(settings, "MCP_ALLOWED_ORIGINS", ())

    @property
    def conformance_fixtures(self) -> bool:
        """Whether the tools, prompts and resources of the conformance suite are served as well."""
        return getattr(settings, "MCP_CONFORMANCE_FIXTURES", False)

    @property
    def max_body_bytes(self) -> int:
        """The longest body that is read; a longer one is answered with 413."""
        return getattr(settings, "MCP_MAX_BODY_BYTES", 4 * 1024 * 1024)

    @property
    def session_idle_seconds(self) -> int:
        """How long a session lives without a request or an open stream."""
        return getattr(settings, "MCP_SESSION_IDLE_SECONDS", 5 * 60)

    @property
    def session_max_seconds(self) -> int:
        """How long a session lives at the most, however busy it is."""
        return getattr(settings, "MCP_SESSION_MAX_SECONDS", 24 * 60 * 60)

    @property
    def cache_seconds(self) -> float:
        """How long a process trusts its copy of a session record or of a verified token.

        A change is announced to every process and takes effect at once; this bounds the damage of an
        announcement that was lost.
        """
        return getattr(settings, "MCP_CACHE_SECONDS", 5.0)

    @property
    def cache_entries(self) -> int:
        """How many records, and how many tokens, a process remembers at the most."""
        return getattr(settings, "MCP_CACHE_ENTRIES", 20_000)

    @property
    def stream_after_seconds(self) -> float:
        """How long a silent call may take before its answer becomes an event stream, which can be resumed."""
        return getattr(settings, "MCP_STREAM_AFTER_SECONDS", 2.0)

    @property
    def keep_alive_seconds(self) -> float:
        """The longest silence on an event stream: proxies cut idle connections after 30 seconds or more."""
        return getattr(settings, "MCP_KEEP_ALIVE_SECONDS", 15.0)

    @property
    def retry_milliseconds(self) -> int:
        """What clients are told to wait before they reconnect (the SSE field `retry`)."""
        return getattr(settings, "MCP_RETRY_MILLISECONDS", 500)

    @property
    def client_request_seconds(self) -> float:
        """How long a client may take to answer a request of the server, unless the tool says otherwise."""
        return getattr(settings, "MCP_CLIENT_REQUEST_SECONDS", 60.0)

    @property
    def event_log_length(self) -> int:
        """About how many messages a session's event log keeps for replay."""
        return getattr(settings, "MCP_EVENT_LOG_LENGTH", 1000)

    @property
    def lease_seconds(self) -> float:
        """How long a running call is believed alive after its process last said so."""
        return getattr(settings, "MCP_LEASE_SECONDS", 10.0)

    @property
    def max_subscriptions(self) -> int:
        """How many resources one session may subscribe to."""
        return getattr(settings, "MCP_MAX_SUBSCRIPTIONS", 1000)

    @property
    def max_calls(self) -> int:
        """How many calls one session may have running in one process."""
        return getattr(settings, "MCP_MAX_CALLS", 100)

    @property
    def redis_timeout_seconds(self) -> float:
        """How long a Redis command may take before the request is answered with 503."""
        return getattr(settings, "MCP_REDIS_TIMEOUT_SECONDS", 3.0)

    @property
    def redis_connections(self) -> int:
        """How many Redis connections a process opens at the most, besides the channel layer's two."""
        return getattr(settings, "MCP_REDIS_CONNECTIONS", 32)


conf = Conf()
