"""The hierarchy of scopes: broader ones imply narrower ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mcp_app.conf import conf


def covers(held: Collection[str], needed: Iterable[str]) -> bool:
    """Whether a token's scopes, with those that MCP_IMPLIED_SCOPES adds to them, include all needed ones.

    Hierarchies count (2026-07-28, Step-Up Authorization Flow).
    """
    lacking = set(needed).difference(held)
    return not lacking or lacking.issubset(
        implied for scope in held for implied in conf.implied_scopes.get(scope, "").split()
    )
