"""Names that strangers chose for their clients, made harmless before anyone reads them."""

from __future__ import annotations

import unicodedata

MAX_LENGTH = 100
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing: a name of them would look like none."""


def sanitized(name: str) -> str:
    """The name without control, direction and other invisible characters, on one line, not too long.

    Markup is left alone: templates escape it. Direction marks could make a page say something else.
    """
    visible = (" " if char.isspace() else char for char in name if char.isspace() or _is_visible(char))
    return " ".join("".join(visible).split())[:MAX_LENGTH].strip()


def _is_visible(char: str) -> bool:
    return char not in _BLANK and not unicodedata.category(char).startswith("C")
