"""Which user names are allowed: of any one alphabet, unless they look like names in Latin letters.

Python has no script property, but the Unicode name of a letter begins with its script: CYRILLIC SMALL LETTER
A.
"""

from __future__ import annotations

import re
import unicodedata

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

from oauth_app.display_names import is_visible

_MIXABLE_SCRIPTS = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""The scripts of Chinese, Japanese and Korean, which may be mixed (UTS #39 section 5.2)."""

_LATIN_LOOKALIKES = frozenset("асԁеһіјӏорԛѕԝхуАВСЕНІЈКМОРЅТХУԚԜοναικρυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
"""Cyrillic and Greek letters that look like Latin ones."""

_ORDINARY_LATIN = re.compile(r"[\u0000-\u024f\u1e00-\u1eff]+")
"""Without the phonetic letters, such as \u0251."""


def skeleton(name: str) -> str:
    """The name without case and accents: names of the same skeleton look much alike."""
    letters = unicodedata.normalize("NFKD", name.replace("\u0131", "i")).casefold()
    return "".join(sign for sign in letters if not unicodedata.combining(sign))


def fault(name: str) -> str | None:
    """Why a user name (normalised, NFKC) is not allowed, or None."""
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        return "A name may contain only letters, digits and @ . + - _, and no spaces."
    if not all(map(is_visible, name)):
        return "A name must not contain characters that cannot be seen."
    letters = [sign for sign in name if sign.isalnum() and not (sign.isascii() and sign.isdigit())]
    scripts = {re.split("[ -]", unicodedata.name(sign, "UNKNOWN"))[0] for sign in letters}
    if len(scripts) > 1 and not scripts <= _MIXABLE_SCRIPTS:
        return "All letters of a name must be from the same alphabet."
    if letters and _LATIN_LOOKALIKES.issuperset(letters):
        return "This name looks like one in Latin letters, but is not."
    if scripts == {"LATIN"} and not _ORDINARY_LATIN.fullmatch(name):
        return "A name must not contain phonetic letters."
    return None
