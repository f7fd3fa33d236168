"""When clients and users were last seen at the MCP endpoints, as the admin shows it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.timezone import localtime

from mcp_app.exceptions import Unavailable
from mcp_app.monitoring import last_seen
from mcp_app.monitoring.last_seen import Use
from mcp_app.monitoring.sessions import connected, printable
from oauth_app.models import Client

ATTRIBUTE = "shown_last_seen"
"""The attribute of a client that `add_to` sets."""

_UNKNOWN = "unknown: Redis cannot be reached"


def add_to(clients: Iterable[Client]) -> None:
    """Set on each of these clients when it was last used, by anybody, and how."""
    shown = list(clients)
    try:
        with connected() as redis:
            found = last_seen.of_clients(redis, [client.client_id for client in shown])
    except Unavailable:
        found, otherwise = {}, _UNKNOWN
    else:
        otherwise = "never"
    for client in shown:
        use = found.get(client.client_id)
        setattr(client, ATTRIBUTE, otherwise if use is None else _described(use))


def clients_of(user: Any) -> str:
    """What a user of this database last used, a line for each client; HTML."""
    try:
        with connected() as redis:
            uses = last_seen.of_person(redis, settings.AUTH_SERVER_URL, str(user.pk))
    except Unavailable:
        return _UNKNOWN
    lines = [(printable(use.client_name or use.client), _described(use)) for use in uses]
    return format_html_join("", "<div>{}: {}</div>", lines) or "none"


def _described(use: Use) -> str:
    """For example "Nov. 28, 2026, 1:40 a.m., 2026-07-28 over Streamable HTTP, Claude 1.2"."""
    at = localize(localtime(datetime.fromtimestamp(use.at, UTC)))
    software = f", {printable(use.software)}" if use.software else ""
    return f"{at}, {printable(use.revision)} over {printable(use.transport)}{software}"
