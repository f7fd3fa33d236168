"""Texts for people: plural forms, and truncated values from clients."""

_MAX_NAME_LENGTH = 128
"""In characters."""


def plural(noun: str, count: float) -> str:
    """The form of a noun after a number: "1 second", "2 seconds", "0.5 seconds"."""
    return noun if count == 1 else f"{noun}s"


def shortened(text: str) -> str:
    """A text that a client chose, as it is logged: truncated."""
    return text if len(text) <= _MAX_NAME_LENGTH else f"{text[:_MAX_NAME_LENGTH]}…"
