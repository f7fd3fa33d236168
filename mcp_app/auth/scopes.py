"""The hierarchy of scopes: broader ones imply narrower ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

IMPLIED: Mapping[str, frozenset[str]] = {"mcp:admin": frozenset({"mcp"})}
"""The broader scopes and what they imply (2026-07-28, Step-Up Authorization Flow: hierarchies count)."""


def covers(held: Collection[str], needed: Iterable[str]) -> bool:
    """Whether a token's scopes include all needed ones."""
    lacking = set(needed).difference(held)
    return not lacking or lacking.issubset(implied for scope in held for implied in IMPLIED.get(scope, ()))
