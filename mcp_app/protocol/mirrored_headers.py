"""Validation of headers that mirror a part of the body (SEP-2243)."""

from __future__ import annotations

from typing import Any

from mcp_app.sdk import decode_header_value


def fault(
    header: str, value: str | None, part: str, expected: Any, *, is_encoded: bool = False
) -> str | None:
    """What is wrong with a header, as a sentence; None if it matches the body.

    Args:
        header: The header's name, as the specification spells it.
        value: Its value; None if it is missing.
        part: The mirrored part, for the sentence.
        expected: The value in the body.
        is_encoded: Whether the value may be encoded (Streamable HTTP, Value Encoding).
    """
    if value is None:
        return f"{header} is missing; it must repeat {part}."
    given = decode_header_value(value) if is_encoded else value
    if given is None:
        return f"{header} has invalid base64."
    return None if given == expected else f"{header} does not match {part}."
