"""What a person can grant, in the words of the consent page."""

from __future__ import annotations

from collections.abc import Iterable

PROTOCOL_SCOPE = "mcp"
ADMIN_SCOPE = "mcp:admin"

SCOPES = {
    PROTOCOL_SCOPE: "Use the tools, resources and prompts of this server in your name",
    ADMIN_SCOPE: "Use the tools that look into the server itself, such as the versions it is made of",
    "offline_access": "Stay connected while you are away",
}

FURTHER_SCOPES = (ADMIN_SCOPE,)
"""What the consent page offers besides what a client asks for; `offline_access` would grant nothing more."""


def completed(asked: Iterable[str]) -> list[str]:
    """What to grant for the scopes that a request names: each once, and the one that every request needs.

    Without that one a token would be good for nothing. Spaces between scopes may be doubled: some clients
    join an empty list with others. RFC 6749 §3.3 lets the server change the scope, since its answer says so.
    """
    named = dict.fromkeys(" ".join(asked).split())
    return list(named) if PROTOCOL_SCOPE in named else [PROTOCOL_SCOPE, *named]
