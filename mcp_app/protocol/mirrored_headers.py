"""Headers that mirror a part of the body: what is wrong with one that does not (SEP-2243)."""

from __future__ import annotations

from typing import Any

from mcp_app.sdk import decode_header_value


def fault(
    header: str, value: str | None, part: str, expected: Any, *, is_encoded: bool = False
) -> str | None:
    """What is wrong with a header, as a sentence; None where it mirrors the body.

    Args:
        header: The header's name, as the specification writes it.
        value: Its value; None when there is no such header.
        part: What it mirrors, as the subject of a sentence.
        expected: What the body has there.
        is_encoded: Whether clients encode what a header cannot hold (Streamable HTTP, Value Encoding).
    """
    if value is None:
        return f"{header} is missing; it must repeat {part}."
    given = decode_header_value(value) if is_encoded else value
    if given is None:
        return f"{header} has base64 that cannot be decoded."
    return None if given == expected else f"{header} does not match {part}."
