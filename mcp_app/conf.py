"""The settings of this app, which start with `MCP_`, and values derived from them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings

from mcp_app import validators
from mcp_app.app_settings import Setting
from mcp_app.discovery_conf import DiscoveryConf
from mcp_app.token_conf import TokenConf
from mcp_app.validators import PATH, PREFIX, PROCESS, REDIS, RESOURCE, TOKEN, beside, is_origin

BODY_SECONDS = 120.0
"""How long the body of a request may take to arrive after its head, at any endpoint."""


def _host_and_pid() -> str:
    """The name of this computer, as far as it fits, and the id of this process: `web-2-4711`."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname().partition(".")[0])
    return f"{host[:30]}-{os.getpid()}"


class Conf(TokenConf, DiscoveryConf):
    """Typed access to the settings of this app."""

    # --- The server

    server = Setting(
        "",
        "dotted path of the function `(Engine) -> MCPServer` that builds the server",
        must_be=("the dotted path of a function", bool),
        example="shop.build",
        follows="`everything_site.demo.server.build`",
    )
    observers = Setting[Sequence[str]](
        (),
        "dotted paths of classes that are told what happens, for metrics and audits "
        "(`mcp_app.observers.Observer`)",
        must_be=("a list of dotted paths", bool),
    )
    # Some clients read only the first page.
    page_size = Setting(200, "tools, prompts or templates per page of a list", minimum=1)
    resource_page_size = Setting(10, "resources per page of `resources/list`", minimum=1)
    last_seen_seconds = Setting(7776000, "how long a user's last use of a client is kept; `0`: not at all")

    # --- Addresses

    resource_url = Setting(
        "",
        "the public URL of the endpoint, for which tokens are issued (RFC 8707); no trailing slash",
        variable="BASE_URI",
        follows="`BASE_URI/mcp`",
        must_be=RESOURCE,
        example="https://mcp.example.com/mcp",
    )
    http_sse = Setting(True, "whether HTTP+SSE of 2024-11-05 is served as well")
    daphne_http = Setting(
        True, "whether Daphne, if it is the server, reads HTTP strictly; see production.md, Other servers"
    )
    sse_resource_url = Setting(
        "",
        "the public URL of the HTTP+SSE endpoint, under which its clients know the same server; they send "
        "their messages to `message` beside it",
        variable="BASE_URI",
        follows="`BASE_URI/sse`",
        derive=lambda conf: beside(conf.resource_url, "sse") if conf.resource_url else "",
        must_be=RESOURCE,
    )
    liveness_path = Setting(
        "/healthz", "the path of the liveness probe, which needs no token; empty for none", must_be=PATH
    )
    readiness_path = Setting(
        "/readyz", "the path of the readiness probe, which needs no token; empty for none", must_be=PATH
    )
    metrics_path = Setting(
        "", "the path of the metrics for Prometheus; empty for none", follows="`/metrics`", must_be=PATH
    )
    metrics_token = Setting(
        "",
        "the token with which others may read them; on a public server, everybody; 16 to 256 visible ASCII "
        "characters",
        variable="METRICS_TOKEN",
        must_be=TOKEN,
        secret=True,
    )
    allowed_origins = Setting[Sequence[str]](
        (),
        "origins of web pages that may call the MCP endpoints; pages on this computer always may",
        variable="ALLOWED_ORIGINS",
        follows="the origin of `BASE_URI`",
        must_be=("a list of origins such as https://app.example.com", is_origin),
    )

    # --- Requests

    max_body_bytes = Setting(
        4 * 1024 * 1024, "the maximum size of a request body; a larger one gets 413", minimum=1
    )
    # Validating the values blocks the event loop.
    max_body_values = Setting(
        20_000, "the maximum number of JSON values in a body, at any depth; more get 413", minimum=100
    )
    max_calls = Setting(
        100, "the maximum number of running calls per user, over all clients and processes", minimum=1
    )
    # A bucket that refills steadily. A test suite of a client is one user, and may be in a hurry for a while.
    request_rate = Setting(
        1000,
        "how many requests a user may send within `MCP_REQUEST_RATE_SECONDS`, over all clients and "
        "processes; each 64 KiB, or four messages of a call, count as one more. More are answered a second "
        "late, and with 429 unless they only end something; 0 means no limit",
        minimum=0,
    )
    request_rate_seconds = Setting(10.0, "the period of `MCP_REQUEST_RATE`", minimum=0.1)
    max_subscriptions = Setting(
        1000,
        "the maximum number of resources that a session or a `subscriptions/listen` may subscribe to, with "
        "URIs of up to 2,048 characters, and 256 KiB in all; a listen acknowledges as many as fit",
    )
    client_request_seconds = Setting(
        600.0,
        "how long a client may take to answer a request of the server; a tool can set a shorter time",
        minimum=1,
    )

    # --- Sessions. Redis takes lifetimes in whole seconds.

    session_idle_seconds = Setting(
        5 * 60,
        "how long the data of a session (event log, pending messages, files) is kept without a request or "
        "an open stream",
        minimum=1,
        up_to="session_max_seconds",
    )
    # Most clients do not initialize again after their session has ended.
    session_max_seconds = Setting(
        24 * 60 * 60,
        "how long a session lives, whether it is used or idle, and so how long a client may be away",
        minimum=1,
    )
    max_sessions = Setting(
        1000,
        "the maximum number of sessions per user, over all clients. Another one ends the oldest idle one; "
        "if all are in use, `initialize` gets 429",
        minimum=1,
    )
    max_held_bytes = Setting(
        256 * 1024 * 1024,
        "how many bytes of messages, files and stored requests the sessions of a user may hold in Redis, "
        "over all clients. With more, new calls and `initialize` get 429, tools cannot store data, and a "
        "running call that would send more ends with an error",
        minimum=64 * 1024,
    )
    session_data_bytes = Setting(
        32 * 1024 * 1024, "how many bytes tools may store per session, in base64", minimum=0
    )
    person_data_bytes = Setting(
        1024 * 1024, "how many bytes tools may store per user, over all sessions, in base64", minimum=0
    )
    person_data_seconds = Setting(
        30 * 24 * 60 * 60, "how long the data of a user is kept after something was last stored", minimum=1
    )
    # This limits the effect of a lost message.
    cache_seconds = Setting(
        5.0,
        "how long a process uses its copy of a session or a token; changes are announced to all processes "
        "and take effect immediately",
        below=("session_idle_seconds", "a session would lose its logs while it is in use"),
    )
    cache_entries = Setting(20_000, "the maximum number of copies of each kind in a process", minimum=1)
    cache_bytes = Setting(
        128 * 1024 * 1024,
        "how much memory the copies of each kind may take in a process, by estimate",
        minimum=1024,
    )
    lease_seconds = Setting(
        10.0,
        "how long the lease on a running call lasts unless its process renews it",
        minimum=1,
        below=("session_idle_seconds", "a session would lose its calls while they run"),
    )

    # --- Streams

    max_streams = Setting(
        200,
        "the maximum number of GET streams, HTTP+SSE streams and `subscriptions/listen` that a user may have "
        "open, over all clients and processes",
        minimum=1,
    )
    stream_after_seconds = Setting(
        0.25, "how long a call that sends nothing may take before its response becomes an event stream"
    )
    # Proxies cut idle connections after 30 seconds or more.
    keep_alive_seconds = Setting(
        15.0,
        "the longest silence on an event stream; keep it below the idle time-out of your proxy",
        minimum=1,
        below=("session_idle_seconds", "a session would lose its logs while its streams are open"),
    )
    retry_milliseconds = Setting(
        3000,
        "how long clients are told to wait before they reconnect (the SSE field `retry`); the official SDKs "
        "try twice and then give up, so this determines how long an outage they survive",
    )
    event_log_length = Setting(
        1000, "the maximum number of messages that a session keeps for replay", minimum=1
    )
    # It must hold everything that a slow reader has not received, and what is sent until it has reconnected.
    event_log_bytes = Setting(
        64 * 1024 * 1024,
        "how many bytes of messages a session keeps for replay; at least twice `MCP_MAX_STREAM_BYTES`",
        minimum=1,
    )
    # Daphne has no back-pressure: what a slow client has not read stays in memory.
    max_stream_bytes = Setting(
        32 * 1024 * 1024,
        "how many bytes are sent on one connection before the client must reconnect; a call of 2026-07-28, "
        "which cannot be resumed, then fails; limits the memory that a slow reader can take",
        minimum=1024,
    )

    # --- Tasks

    task_seconds = Setting(
        900, "how long a task lives from its creation, unless its tool says otherwise", minimum=1
    )
    task_poll_milliseconds = Setting(1000, "how often clients are told to poll a task", minimum=1)
    max_tasks = Setting(1000, "the maximum number of tasks per user, over all clients, until they expire")
    max_task_bytes = Setting(
        128 * 1024 * 1024,
        "how many bytes the tasks of a user may hold in Redis, over all clients. With more, new tasks and "
        "answers get 429, and a task with a result that does not fit fails",
        minimum=64 * 1024,
    )

    # --- Processes

    process_name = Setting(
        "",
        "the name of this process, for people: in log lines, leases, the list of processes and "
        "`X-Served-By`. Two processes may have the same, but then nobody can tell them apart",
        variable="PROCESS_NAME",
        follows="the name of the host and the process id; with `runserver --processes`, `p1`, `p2` …",
        derive=lambda conf: _host_and_pid(),
        must_be=PROCESS,
    )
    served_by = Setting(
        False,
        "whether each response names the process that served it, in the header `X-Served-By`; it tells "
        "clients how many processes there are, and names the host unless `PROCESS_NAME` is set",
        variable="SERVED_BY",
        follows="on with `DEBUG`",
        derive=lambda conf: bool(settings.DEBUG),
    )
    lame_duck_seconds = Setting(
        0.0, "how long a process serves on after SIGTERM, not ready, before it shuts down", minimum=0
    )
    shutdown_grace_seconds = Setting(10.0, "how long calls, tasks and pages may then take to finish")
    redis_url = Setting(
        "",
        "the Redis that all processes share: `redis://`, `rediss://` or `unix://`",
        variable="REDIS_URL",
        follows="`REDIS_URL`",
        derive=lambda conf: getattr(settings, "REDIS_URL", ""),
        must_be=REDIS,
        example="redis://127.0.0.1:6379/0",
        secret=True,
    )
    redis_prefix = Setting(
        "",
        "what the names of all keys and channels in Redis start with, so that projects can share a database",
        must_be=PREFIX,
    )
    redis_timeout_seconds = Setting(3.0, "how long to wait for Redis before answering 503", minimum=0.1)
    redis_connections = Setting(
        32,
        "the maximum number of Redis connections per process, not counting those of the channel layer and "
        "the rate limits; one user uses at most a quarter of them",
        minimum=1,
    )

    @cached_property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Django's ALLOWED_HOSTS, which applies to all endpoints; if empty, what Django allows with DEBUG."""
        if settings.DEBUG and not settings.ALLOWED_HOSTS:
            return (".localhost", "127.0.0.1", "[::1]")
        return tuple(settings.ALLOWED_HOSTS)

    @property
    def redis_place(self) -> str:
        """The URL of Redis without user, password and parameters, for the log."""
        url = urlsplit(self.redis_url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"

    @cached_property
    def path(self) -> str:
        """The path of the Streamable HTTP endpoint; empty if it is the root of its host."""
        return urlsplit(self.resource_url).path

    @cached_property
    def sse_path(self) -> str:
        """The path of the HTTP+SSE endpoint."""
        return urlsplit(self.sse_resource_url).path

    @cached_property
    def message_path(self) -> str:
        """The path to which clients of HTTP+SSE post."""
        return urlsplit(beside(self.sse_resource_url, "message")).path

    @cached_property
    def resource_metadata_url(self) -> str:
        """The metadata URL of the MCP endpoint (RFC 9728 §3.1)."""
        return validators.metadata_url(self.resource_url)

    @cached_property
    def sse_resource_metadata_url(self) -> str:
        """The metadata URL of the HTTP+SSE endpoint."""
        return validators.metadata_url(self.sse_resource_url)

    @cached_property
    def token_audiences(self) -> Sequence[str]:
        """The accepted audiences of another server's tokens: by default the two endpoints."""
        if self.token_audience:
            return (self.token_audience,)
        return (self.resource_url, self.sse_resource_url) if self.http_sse else (self.resource_url,)


conf = Conf()
