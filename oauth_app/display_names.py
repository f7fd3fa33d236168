"""Sanitizes client names, which anybody can choose, before they are displayed."""

from __future__ import annotations

import unicodedata

MAX_LENGTH = 100
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols without a visible glyph: a name of these would look empty."""


def sanitized(name: str) -> str:
    """The name without control, bidirectional and other invisible characters, on one line, shortened.

    Markup is kept: templates escape it. Bidirectional controls could reorder the text of a page.
    """
    visible = (" " if char.isspace() else char for char in name if char.isspace() or _is_visible(char))
    return " ".join("".join(visible).split())[:MAX_LENGTH].strip()


def _is_visible(char: str) -> bool:
    return char not in _BLANK and not unicodedata.category(char).startswith("C")
