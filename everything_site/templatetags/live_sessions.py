"""How many sessions an app has open for a user, for the page of connected apps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import template
from django.conf import settings
from django.template import Context

from mcp_app.exceptions import Unavailable
from mcp_app.monitoring.sessions import connected, sessions_of
from oauth_app.endpoints.connections import Connection

register = template.Library()

_KEY = "live sessions by client"


@register.simple_tag(takes_context=True)
def live_sessions(context: Context, connection: Connection) -> int | None:
    """The number of live sessions of a connection of the user; None where that is unknown.

    The authorization server of separate mode does not know them.
    """
    render: Any = context.render_context
    if _KEY not in render:
        render[_KEY] = _by_client(context["user"])
    counts: Counter[str] | None = render[_KEY]
    return None if counts is None else counts[connection.client.client_id]


def _by_client(user: Any) -> Counter[str] | None:
    if settings.IS_SEPARATE:
        return None
    try:
        with connected() as redis:
            sessions = sessions_of(redis, settings.AUTH_SERVER_URL, str(user.pk))
    except Unavailable:
        return None
    return Counter(session.client for session in sessions)
