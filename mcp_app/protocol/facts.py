"""What observers are told of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, principal_components
from mcp_types import RequestId

from mcp_app.observers import CallFacts
from mcp_app.protocol.words import shortened

_LONGEST_URI = 256
"""Characters of a URI that are shown."""

_LONGEST_ID = 64
"""Characters of a JSON-RPC id that are shown."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.DOTALL)
"""W3C Trace Context, which SEP-414 puts into `_meta`."""


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
    token = get_access_token()
    username, issuer, subject, client = ("", "", "", "") if token is None else _user(token)
    return CallFacts(
        shortened(method),
        shortened(tool) if isinstance(tool, str) else None,
        kind,
        session,
        revision,
        username,
        issuer,
        subject,
        client,
        _trace_id(params),
        shown_uri(uri) if isinstance(uri, str) else None,
        shown_id(request_id),
    )


def shown_id(request_id: RequestId | None) -> str | None:
    """A JSON-RPC id as text, truncated, as clients choose it."""
    return None if request_id is None else str(request_id)[:_LONGEST_ID]


def shown_uri(uri: str) -> str:
    """A URI without what may carry secrets: user information, query, fragment; of `data:` only the scheme.

    Its path remains, as it says which resource it is.
    """
    try:
        parts = urlsplit(uri[: 8 * _LONGEST_URI])
    except ValueError:
        return "malformed"
    place = f"//{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
    path = "…" if parts.scheme == "data" else parts.path
    shown = f"{parts.scheme}:{place}{path}" if parts.scheme else f"{place}{path}"
    return shown if len(shown) <= _LONGEST_URI else f"{shown[:_LONGEST_URI]}…"


def _user(token: AccessToken) -> tuple[str, str, str, str]:
    _, issuer, subject = principal_components(token)
    username = str((token.claims or {}).get("username", subject or ""))
    return shortened(username), issuer or "", subject or "", shortened(token.client_id)


def _trace_id(params: Mapping[str, Any]) -> str | None:
    meta = params.get("_meta")
    parent = meta.get("traceparent") if isinstance(meta, Mapping) else None
    found = _TRACEPARENT.fullmatch(parent) if isinstance(parent, str) else None
    return None if found is None else found[1]
