"""Plural forms."""


def plural(noun: str, count: float) -> str:
    """The form of a noun after a number: "1 second", "2 seconds", "0.5 seconds"."""
    return noun if count == 1 else f"{noun}s"
