"""The cost of a JSON text, determined before it is parsed, or before the result is used.

Parsing and validating block the event loop. The sizes of values alone are limited with the body.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_DIGITS = 1_000
"""The maximum number of digits in a row: converting and showing integers takes quadratic time."""

_WORTH_PARSING = 5
"""A text with this many times more values than allowed is not worth parsing."""

_NO_PUNCTUATION = bytes(set(range(256)) - set(b'",[{'))
"""All bytes but those that values of JSON begin with, or follow, and quotes."""

_DIGITS = bytes(48 if 48 <= byte <= 57 else byte if byte == 34 else 32 for byte in range(256))
"""For `bytes.translate`: all digits are the same, and everything else but quotes."""

_PIECE = 64 * 1024

_LONG_NUMBER = b"0" * (MAX_DIGITS + 1)


def has_many_times_more_values(text: bytes, limit: int) -> bool:
    """Whether JSON has more values than are worth parsing, told by its commas and brackets outside strings.

    True only if it does; then it has at least five times as many as allowed.
    """
    most = _WORTH_PARSING * limit
    if max(text.count(b","), text.count(b"[") + text.count(b"{")) <= most:
        return False
    commas = brackets = 0
    for part in _outside_strings(_without_escapes(text).translate(None, _NO_PUNCTUATION)):
        commas += (more := part.count(b","))
        brackets += len(part) - more
        if max(commas, brackets) > most:
            return True
    return False


def has_more_values(text: bytes, decoded: Any, limit: int) -> bool:
    """Whether JSON has more values than allowed, including arrays, objects and everything in them.

    Args:
        text: The JSON.
        decoded: What it contains.
        limit: How many are allowed.
    """
    if len(text) <= limit:
        return False
    # A cheap upper bound: each value follows a comma or a bracket, which strings may contain as well.
    if text.count(b",") + text.count(b"[") + text.count(b"{") < limit:
        return False
    found, unread = 1, [decoded]
    while unread and found <= limit:
        value = unread.pop()
        if isinstance(value, dict):
            found += len(value)
            unread += value.values()
        elif isinstance(value, list):
            found += len(value)
            unread += value
    return found > limit


def has_long_number(text: bytes) -> bool:
    """Whether JSON has a number with more than `MAX_DIGITS` digits in a row."""
    if len(text) <= MAX_DIGITS or _LONG_NUMBER not in text.translate(_DIGITS):
        return False
    return _LONG_NUMBER in b"".join(_outside_strings(_without_escapes(text).translate(_DIGITS)))


def _without_escapes(text: bytes) -> bytes:
    """The text without escaped backslashes and quotes: the other quotes are those around strings."""
    return text.replace(rb"\\", b"").replace(rb"\"", b"")


def _outside_strings(text: bytes) -> Iterator[bytes]:
    """What is not between quotes, piece by piece: a list of a million strings would take much memory."""
    is_inside = 0
    for start in range(0, len(text), _PIECE):
        parts = text[start : start + _PIECE].split(b'"')
        yield b"".join(parts[is_inside::2])
        is_inside ^= len(parts) % 2 == 0
