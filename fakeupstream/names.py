"""Which names people may have: of any alphabet, and none that passes for a name of another one.

Python knows no scripts of characters, but their Unicode names begin with them: CYRILLIC SMALL LETTER A.
"""

from __future__ import annotations

import re
import unicodedata

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

_WRITTEN_TOGETHER = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""The scripts of Chinese, Japanese and Korean, which one name may mix (UTS #39 section 5.2)."""

_PASSES_FOR_LATIN = frozenset("асԁеһіјӏорԛѕԝхуАВСЕНІЈКМОРЅТХУԚԜοναικρυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
"""Cyrillic and Greek letters that can be taken for Latin ones: a name of these alone looks Latin."""

_LATIN_OF_LANGUAGES = re.compile(r"[\u0000-\u024f\u1e00-\u1eff]+")
"""Without the phonetic letters, such as \u0251."""


def fault(name: str) -> str | None:
    """Why this name, which is normalised (NFKC), may not be one of a person; None if it may."""
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        return "A name may hold letters, digits and @ . + - _ only, and no spaces."
    letters = [sign for sign in name if sign.isalnum() and not (sign.isascii() and sign.isdigit())]
    scripts = {re.split("[ -]", unicodedata.name(sign, "UNKNOWN"))[0] for sign in letters}
    if len(scripts) > 1 and not scripts <= _WRITTEN_TOGETHER:
        return "The letters of a name must be of one alphabet."
    if letters and _PASSES_FOR_LATIN.issuperset(letters):
        return "This name looks like one in Latin letters, and is none."
    if scripts == {"LATIN"} and not _LATIN_OF_LANGUAGES.fullmatch(name):
        return "A name may hold no phonetic letters."
    return None
