"""What strangers say, before it reaches a terminal."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """The text on one line, its control, direction and other invisible characters written as escapes.

    They could clear the screen, and write in place of what was there what its reader wishes to see.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_visible(char) else char.encode("unicode_escape").decode() for char in text)


def _is_visible(char: str) -> bool:
    category = unicodedata.category(char)
    return not category.startswith("C") and category not in ("Zl", "Zp")
