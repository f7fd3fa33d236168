"""The scopes, with their descriptions on the consent page."""

from __future__ import annotations

from collections.abc import Iterable

PROTOCOL_SCOPE = "mcp"
ADMIN_SCOPE = "mcp:admin"

SCOPES = {
    PROTOCOL_SCOPE: "Use the tools, resources and prompts of this server on your behalf",
    ADMIN_SCOPE: "Use the tools that inspect the server itself, such as its versions",
    "offline_access": "Stay connected while you are away",
}

FURTHER_SCOPES = (ADMIN_SCOPE,)
"""Scopes that the consent page offers in addition; `offline_access` would not allow anything more."""


def completed(asked: Iterable[str]) -> list[str]:
    """The requested scopes without duplicates, and the one that every request needs.

    Without that one a token would be useless. Extra spaces are accepted: some clients join an empty list with
    others. RFC 6749 §3.3 allows the server to change the scope, since the response tells the client.
    """
    named = dict.fromkeys(" ".join(asked).split())
    return list(named) if PROTOCOL_SCOPE in named else [PROTOCOL_SCOPE, *named]
