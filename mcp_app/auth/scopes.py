"""The scopes of tokens, of which the broader imply the narrower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

IMPLIED: Mapping[str, frozenset[str]] = {"mcp:admin": frozenset({"mcp"})}
"""The broader scopes and what they imply (2026-07-28, Step-Up Authorization Flow: hierarchies count)."""


def covers(held: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether these scopes of a token are enough."""
    have = set(held)
    for scope in list(have):
        have |= IMPLIED.get(scope, frozenset())
    return have.issuperset(needed)
