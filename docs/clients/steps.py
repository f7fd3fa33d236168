"""Helpers of all steps: they print what they do, and stop at the first unexpected response."""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from mcp import MCPError
from mcp.types import CallToolResult, TextContent

MODERN = "2026-07-28"
WAIT = 30
"""Seconds to wait for anything."""

Block = TypeVar("Block")


def say(step: str, *answer: Any) -> None:
    print(f"\n== {step}", *answer, sep="\n", flush=True)


def check(found: Any, wanted: Any) -> None:
    """Print a response, which must contain what is expected."""
    print(str(found)[:300])
    if wanted not in found:
        raise SystemExit(f"Expected: {wanted}")


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def block_of(result: CallToolResult, kind: type[Block]) -> Block:
    """The first content block of that type."""
    for block in result.content:
        if isinstance(block, kind):
            return block
    raise SystemExit(f"Expected: {kind.__name__}, not {result}")


async def refused(request: Awaitable[Any]) -> MCPError:
    """The protocol error that the request must cause."""
    try:
        answer = await request
    except MCPError as error:
        return error
    raise SystemExit(f"Expected: an error, not {answer}")
