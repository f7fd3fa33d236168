"""Untrusted text, made safe for a terminal."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """The text on one line, with control, bidirectional and other invisible characters escaped.

    They could clear the screen and imitate other output.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_visible(char) else char.encode("unicode_escape").decode() for char in text)


def _is_visible(char: str) -> bool:
    category = unicodedata.category(char)
    return not category.startswith("C") and category not in ("Zl", "Zp")
