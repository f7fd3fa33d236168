"""What observers are told of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, principal_components
from mcp_types import RequestId

from mcp_app.observers import CallFacts
from mcp_app.protocol.words import shortened

_MAX_URI_LENGTH = 256
"""How many characters of a URI are shown."""

_MAX_ID_LENGTH = 64
"""How many characters of a JSON-RPC id are shown."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.DOTALL)
"""W3C Trace Context, which SEP-414 puts into `_meta`."""


class UserFacts(NamedTuple):
    """What observers are told of the user of a request; see `CallFacts`."""

    username: str = ""
    issuer: str = ""
    subject: str = ""
    client: str = ""

    @classmethod
    def of(cls, token: AccessToken) -> UserFacts:
        """What a token says of its user."""
        _, issuer, subject = principal_components(token)
        username = str((token.claims or {}).get("username", subject or ""))
        return cls(shortened(username), issuer or "", subject or "", shortened(token.client_id))


class KnownUser(AuthenticatedUser):
    """The user of a request, and what observers are told of them, which is found once for many requests."""

    def __init__(self, token: AccessToken) -> None:
        super().__init__(token)
        self.facts = UserFacts.of(token)


_NOBODY = UserFacts()


def facts_of(
    method: str,
    params: Mapping[str, Any] | None,
    *,
    kind: str,
    session: str | None,
    revision: str,
    request_id: RequestId | None = None,
) -> CallFacts:
    """The facts of a call of the current user."""
    params = params or {}
    tool = params.get("name") if method == "tools/call" else None
    uri = params.get("uri") if method.startswith("resources/") else None
    user = auth_context_var.get()
    if user is None:
        known = _NOBODY
    else:
        known = user.facts if isinstance(user, KnownUser) else UserFacts.of(user.access_token)
    return CallFacts(
        shortened(method),
        shortened(tool) if isinstance(tool, str) else None,
        kind,
        session,
        revision,
        *known,
        _trace_id(params),
        shown_uri(uri) if isinstance(uri, str) else None,
        shown_id(request_id),
    )


def shown_id(request_id: RequestId | None) -> str | None:
    """A JSON-RPC id as text, truncated, as clients choose it."""
    return None if request_id is None else str(request_id)[:_MAX_ID_LENGTH]


def shown_uri(uri: str) -> str:
    """A URI without what may carry secrets: user information, query, fragment; of `data:` only the scheme.

    Its path remains, as it says which resource it is.
    """
    try:
        parts = urlsplit(uri[: 8 * _MAX_URI_LENGTH])
    except ValueError:
        return "malformed"
    place = f"//{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    path = "…" if parts.scheme == "data" else parts.path
    shown = f"{parts.scheme}:{place}{path}" if parts.scheme else f"{place}{path}"
    return shown if len(shown) <= _MAX_URI_LENGTH else f"{shown[:_MAX_URI_LENGTH]}…"


def _trace_id(params: Mapping[str, Any]) -> str | None:
    meta = params.get("_meta")
    parent = meta.get("traceparent") if isinstance(meta, dict) else None
    found = _TRACEPARENT.fullmatch(parent) if isinstance(parent, str) else None
    return None if found is None else found[1]
