"""Sanitizes client names, which anybody can choose, before they are displayed."""

from __future__ import annotations

import unicodedata

MAX_LENGTH = 100
_BLANK = frozenset(
    map(
        chr,
        (
            *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers
            *(0x034F, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, *range(0xFE00, 0xFE10)),
            *range(0xE0100, 0xE01F0),  # with those above: marks such as variation selectors
            *(0x2800, 0x13441, 0x13442, 0x16FE4, 0x1D159),  # blanks: Braille, hieroglyphic, Khitan, musical
        ),
    )
)
"""Characters without a visible glyph, other than control characters: a name made of them would look empty."""


def sanitized(name: str) -> str:
    """The name without control, bidirectional and other invisible characters, on one line, shortened.

    Markup is kept: templates escape it. Bidirectional controls could reorder the text of a page.
    """
    visible = (" " if char.isspace() else char for char in name if char.isspace() or is_visible(char))
    words = " ".join("".join(visible).split())
    while words and unicodedata.category(words[0]).startswith("M"):  # it would combine with what precedes
        words = words[1:].lstrip()
    return words[:MAX_LENGTH].strip()


def is_visible(char: str) -> bool:
    """Whether a character that is no space has a glyph of its own, or changes that of another one."""
    return char not in _BLANK and not unicodedata.category(char).startswith("C")
